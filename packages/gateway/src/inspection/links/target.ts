import { normalised } from '../normal/normalised.ts';

/** Where an address leads, as a client would understand it. */
export type Target =
  /** To a host: canonical, without a final dot. */
  | { kind: 'host'; host: string; address: string }
  /** To something that runs, or that opens as a page of its own. */
  | { kind: 'active' }
  /** Nowhere else. */
  | { kind: 'here' };

/** What a relative address is relative to: nobody's host (RFC 6761). */
const HERE = 'https://here.invalid/';
const ACTIVE: ReadonlySet<string> = new Set(['javascript:', 'vbscript:', 'data:', 'blob:', 'filesystem:']);
/** Schemes that lead to a host. Others are left to programs that people choose. */
const HOSTED: ReadonlySet<string> = new Set(['http:', 'https:', 'ftp:', 'ws:', 'wss:']);

/**
 * What clients make of an address (WHATWG URL): escapes of HTML are undone, backslashes are slashes, what precedes `@` is no host, and a
 * host has one form whatever numbers, scripts or letters it is written in.
 */
export function targetOf(written: string): Target {
  const address = undone(written);
  const url = /^www\./i.test(address)
    ? URL.parse(`https://${address}`)
    : (URL.parse(address) ?? URL.parse(address, HERE));
  // Clients do not agree on what such an address leads to.
  if (url === null || /\\.*@/s.test(address)) return { kind: 'host', host: '', address };
  if (ACTIVE.has(url.protocol)) return { kind: 'active' };
  if (!HOSTED.has(url.protocol) || url.host === 'here.invalid') return { kind: 'here' };
  return { kind: 'host', host: url.hostname.replace(/\.$/, ''), address };
}

/** Without what renderers undo or leave out. Percent-encoding stays: it is undone in the host alone, and that by the parser. */
function undone(written: string): string {
  const parts = written.split('%');
  return parts.map((part) => normalised(part).text).join('%');
}

/** Whether a host is on a list of hosts, where `*.` stands for every name below. */
export function isOnList(host: string, list: readonly string[]): boolean {
  return list.some((each) => (each.startsWith('*.') ? host.endsWith(each.slice(1)) : host === each));
}
