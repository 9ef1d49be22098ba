import { canonicalSorted, digest, type JsonObject, type JsonValue } from '@cmcp/evidence';
import type { Config, Credential } from './types.ts';

type Unhashed = Omit<Config, 'hash' | 'agentsHash' | 'operatorsHash'>;

const byName = (a: [string, unknown], b: [string, unknown]): number => (a[0] < b[0] ? -1 : 1);

/** Names stay readable, values become digests. */
function sealed(secrets: Record<string, string>): JsonValue {
  return Object.entries(secrets)
    .sort(byName)
    .map(([name, value]) => [name, digest(value)]);
}

/** Order in the file has no meaning, so it does not change the digest. */
function credentialsDigest(credentials: Credential[]): string {
  const rows = credentials.map(({ subject, tokenSha256 }) => [tokenSha256, subject]);
  return digest(canonicalSorted(rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))));
}

/**
 * The digests that a session commits to (contracts section 3): over every effective setting, with defaults filled in and
 * secrets replaced by their digests. Mappings with chosen keys are hashed as sorted pairs.
 */
export function withHashes(config: Unhashed): Config {
  const agentsHash = credentialsDigest(config.agents);
  const operatorsHash = credentialsDigest(config.operator.credentials);
  const { file: _file, vocabulary, upstreams, agents: _agents, operator, stdioSubject, ...plain } = config;
  const effective: JsonObject = {
    ...plain,
    stdio_subject: stdioSubject,
    agents: agentsHash,
    operators: operatorsHash,
    operator_socket: operator.socket,
    vocabulary: Object.entries(vocabulary).sort(byName),
    upstreams: Object.entries(upstreams)
      .sort(byName)
      .map(([id, { env, headers, timeoutMs }]) => [id, sealed(env), sealed(headers), timeoutMs]),
  };
  return { ...config, agentsHash, operatorsHash, hash: digest(canonicalSorted(effective)) };
}
