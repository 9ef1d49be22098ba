import { resolve } from 'node:path';
import type { JsonObject } from '@cmcp/evidence';
import { patternDomain } from '../identity/spiffe/id.ts';
import { socketProblem } from './paths.ts';
import { list, named, nullable, type Reader, required, section, setting, text } from './readers.ts';

/** Which workloads may call by a SPIFFE credential, and what it is verified with. */
export interface SpiffeConfig {
  /** Absolute paths of bundle files by trust domain; null: the Workload API gives the bundle. */
  trustDomains: Record<string, { bundle: string | null }>;
  /** Absolute path of the agent's Unix socket. */
  workloadApi: string | null;
  /** SPIFFE IDs, and patterns that end in `/*`. */
  allowed: string[];
  /** Cedar groups: name → IDs and patterns. */
  groups: Record<string, string[]>;
  /** What JWT-SVIDs must be for; null: none is taken. */
  audience: string | null;
}

const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const GROUP = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/;

const bundlePath = text('a path without `..`, such as ./spiffe/example.org.json', (given) =>
  given !== '' && !given.includes('\0') && !given.split(/[/\\]/).includes('..') ? given : undefined,
);

const socket = text('a Unix socket, such as unix:///run/spire/agent.sock', (given) => {
  const [, path] = /^unix:(?:\/\/)?(\/[^\0?#]+)$/.exec(given) ?? [];
  return path === undefined || path.split('/').includes('..') ? undefined : path;
});

const pattern = text(
  'a SPIFFE ID such as spiffe://example.org/agents/research, or a path of them that ends in /*',
  (given) => (patternDomain(given) === null ? undefined : given),
);

const audience = text('printable ASCII, such as https://gateway.example/mcp', (given) =>
  /^[\x21-\x7e]{1,1024}$/.test(given) ? given : undefined,
);

/** `identity.spiffe`. */
export const spiffeReader = nullable(
  section('settings of SPIFFE', {
    trust_domains: required(
      named(
        'a trust domain',
        TRUST_DOMAIN,
        section(
          'a trust domain',
          {
            bundle: setting(
              nullable(bundlePath),
              'null',
              'File with its bundle: a SPIFFE bundle in JSON, or the PEM of its authorities, which verifies X509-SVIDs alone. Read again when it changes. Null: the Workload API gives the bundle.',
            ),
          },
          'bundle',
        ),
        'Trust domain whose workloads may call. `example.org: ./bundle.pem` is short for its bundle.',
      ),
      'Trust domains by name. Each one’s own bundle alone verifies its workloads.',
    ),
    workload_api: setting(
      nullable(socket),
      'null',
      'Unix socket of the SPIFFE Workload API, which gives the bundles that no file does.',
    ),
    allowed: required(list(pattern), 'SPIFFE IDs that may call. A path that ends in `/*` is everything below it.'),
    groups: setting(
      named('a group name', GROUP, list(pattern), 'SPIFFE IDs and paths whose callers are in this Cedar group.'),
      '{}',
      'Cedar groups of these callers.',
    ),
    audience: setting(
      nullable(audience),
      'null',
      'Who a JWT-SVID must be for (`aud`), such as the URL of this gateway. Null: JWT-SVIDs are not taken, and X509-SVIDs are.',
    ),
  }),
);

type Given = Exclude<typeof spiffeReader extends Reader<infer T> ? T : never, null>;
type Report = (key: string, message: string) => void;

/** The section that was read, with what is wrong between its members reported. `tls`: the listener has it. */
export function spiffeConfig(folder: string, given: Given | null, tls: boolean, report: Report): SpiffeConfig | null {
  if (given === null) return null;
  const { trust_domains: domains, workload_api: workloadApi, allowed, groups, audience: aud } = given;
  const key = 'identity.spiffe';
  if (!tls) report(key, 'a workload shows its certificate in a TLS handshake; set `tls`, or leave this section out');
  if (Object.keys(domains).length === 0) report(`${key}.trust_domains`, 'names no trust domain');
  if (allowed.length === 0) report(`${key}.allowed`, 'names nobody; add the SPIFFE IDs that may call');
  const fromAgent = Object.entries(domains).filter(([, { bundle }]) => bundle === null);
  for (const [domain] of workloadApi === null ? fromAgent : [])
    report(`${key}.trust_domains.${domain}`, 'needs a `bundle`, or `workload_api`, which would give it');
  if (workloadApi !== null) {
    if (fromAgent.length === 0)
      report(`${key}.workload_api`, 'is not used: every trust domain has a `bundle` of its own');
    const problem = socketProblem(workloadApi);
    if (problem !== null) report(`${key}.workload_api`, problem);
  }
  const unknown = (path: string, patterns: string[]): void => {
    for (const [index, each] of patterns.entries()) {
      const domain = patternDomain(each) ?? '';
      if (!Object.hasOwn(domains, domain)) report(`${path}[${index}]`, `${domain} is not one of \`trust_domains\``);
    }
  };
  unknown(`${key}.allowed`, allowed);
  for (const [name, patterns] of Object.entries(groups)) unknown(`${key}.groups.${name}`, patterns);
  return {
    trustDomains: Object.fromEntries(
      Object.entries(domains).map(([name, { bundle }]) => [
        name,
        { bundle: bundle === null ? null : resolve(folder, bundle) },
      ]),
    ),
    workloadApi,
    allowed,
    groups,
    audience: aud,
  };
}

/** The same without paths, and where order in the file has no meaning, without that. */
export function spiffeSettings({ trustDomains, allowed, groups, audience: aud }: SpiffeConfig): JsonObject {
  return {
    trust_domains: Object.entries(trustDomains)
      .map(([name, { bundle }]) => [name, bundle === null ? 'workload api' : 'file'])
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    allowed: [...allowed].sort(),
    groups: Object.entries(groups)
      .map(([name, patterns]) => [name, ...[...patterns].sort()])
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    audience: aud,
  };
}
