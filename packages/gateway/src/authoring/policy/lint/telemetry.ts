import type { ServerTransport } from '../../../catalog/types.ts';
import { OTLP_PORTS, TELEMETRY_VENDORS } from './telemetry-vendors.ts';

/** Whose endpoint a server is, and what shows it. */
export interface TelemetryUse {
  vendor: string;
  seen: string;
}

/** Null for a server that is not known to be one for telemetry, monitoring or analytics. */
export function telemetryOf(transport: ServerTransport): TelemetryUse | null {
  if (transport.kind === 'http') return byUrl(transport.url);
  for (const word of [transport.command, ...transport.args]) {
    const found = word.includes('://') ? byUrl(word) : byProgram(word);
    if (found !== null) return found;
  }
  return null;
}

function byUrl(text: string): TelemetryUse | null {
  if (!URL.canParse(text)) return null;
  const { hostname, port, pathname } = new URL(text);
  const vendor = TELEMETRY_VENDORS.find(({ hosts }) =>
    hosts.some((host) => hostname === host || hostname.endsWith(`.${host}`)),
  );
  if (vendor !== undefined) return { vendor: vendor.name, seen: hostname };
  const collects = OTLP_PORTS.includes(port) || /^\/v1\/(traces|metrics|logs)\/?$/.test(pathname);
  return collects ? { vendor: 'an OTLP collector', seen: `${hostname}:${port}${pathname}` } : null;
}

/** Words of a program's or package's name that stand together: `mcp-server-sentry`, `@sentry/mcp-server`, `new_relic.py`. */
function byProgram(text: string): TelemetryUse | null {
  const name = `-${programOf(text)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')}-`;
  const vendor = TELEMETRY_VENDORS.find(({ programs }) => programs.some((program) => name.includes(`-${program}-`)));
  return vendor === undefined ? null : { vendor: vendor.name, seen: text };
}

/** The folders that a program lies in say nothing of it, apart from those of its package. */
function programOf(text: string): string {
  const [, inPackage] = /.*node_modules\/(.*)/.exec(text) ?? [];
  return inPackage ?? (text.startsWith('/') ? text.slice(text.lastIndexOf('/')) : text);
}
