/** What `cmcp init` writes into a configuration. */
export interface NewConfig {
  listen: string;
  agent: { subject: string; tokenSha256: string };
  operator: { subject: string; tokenSha256: string };
  /** Servers with an environment or headers of their own, values as they are written in the file. */
  upstreams: { id: string; env: Record<string, string>; headers: Record<string, string> }[];
  policyHash: string;
  catalogHash: string;
}

/** Double-quoted YAML, which JSON is a part of. */
const quoted = (value: string): string => JSON.stringify(value);

/** The text of a new `cmcp.yaml`, with what a person is likely to change next beside a word on it. */
export function configText(config: NewConfig): string {
  return `# cMCP gateway. Every key: cmcp help config. Check after a change: cmcp check
cmcp: 1

# Where agents connect. Loopback only.
listen: ${quoted(config.listen)}

# enforcing: denied calls are refused. advisory: they are forwarded, and the record says so.
# silent: as advisory, and neither the log nor the reply speaks of it.
mode: enforcing

# What decides. Pin the hash once you have reviewed it; outside dev mode that is required.
policy:
  path: ./policy
  # hash: ${config.policyHash}

# What is approved: servers, and whole definitions of tools, resources and prompts. The same goes for its hash.
catalog:
  path: ./catalog.json
  # hash: ${config.catalogHash}

# Who may call, by the digest of a bearer token. The tokens are in secrets/.
agents:
  - subject: ${quoted(config.agent.subject)}
    token_sha256: ${quoted(config.agent.tokenSha256)}

# Who the caller is when a client spawns the gateway over stdio.
stdio: ${quoted(config.agent.subject)}

operator:
  credentials:
    - subject: ${quoted(config.operator.subject)}
      token_sha256: ${quoted(config.operator.tokenSha256)}
${upstreamsText(config.upstreams)}`;
}

function upstreamsText(upstreams: NewConfig['upstreams']): string {
  const own = upstreams.filter(({ env, headers }) => Object.keys({ ...env, ...headers }).length > 0);
  if (own.length === 0) return '';
  const lines = own.flatMap(({ id, env, headers }) => [
    `  ${quoted(id)}:`,
    ...mapText('env', env),
    ...mapText('headers', headers),
  ]);
  return [
    '',
    '# Credentials of the servers. Better than a secret here: a reference to an environment variable.',
    'upstreams:',
    ...lines,
    '',
  ].join('\n');
}

function mapText(key: string, values: Record<string, string>): string[] {
  const entries = Object.entries(values);
  if (entries.length === 0) return [];
  return [`    ${key}:`, ...entries.map(([name, value]) => `      ${quoted(name)}: ${quoted(value)}`)];
}
