import { existsSync } from 'node:fs';
import {
  CATALOG_HASH,
  type EventSpec,
  makeSession,
  newKey,
  POLICY_HASH,
  seal,
} from '../../packages/evidence/src/testing/session.ts';
import { openSessionFiles } from '../../packages/gateway/src/audit/session-files.ts';

/** What is printed: where the session is, and what it is to be verified under. */
export interface MadeSession {
  file: string;
  where: 'inside' | 'beside';
  key: string;
  policyHash: string;
  catalogHash: string;
}

/** Above this many calls a claim leaves its transcript entries out (contracts section 6). */
const MAX_TRANSCRIPT_CALLS = 10_000;

const KINDS = ['allow', 'allow', 'allow', 'deny', 'allow', 'allow', 'redact', 'allow'] as const;

/** `node make-session.ts ENTRIES FOLDER`: writes a session file with that many entries as the gateway writes it. */
const [entries = '', folder = ''] = process.argv.slice(2);
// session_start and session_end frame the calls.
const calls = Array.from(
  { length: Number(entries) - 2 },
  (_, i): EventSpec => ({
    kind: KINDS[i % KINDS.length] ?? 'allow',
    tool: `crm.query_${i % 40}`,
    domain: 'customer_data',
    dataClass: i % 3 === 0 ? 'pii' : 'public',
  }),
);
const key = await newKey();
const session = await makeSession(key, calls);
if (calls.length > MAX_TRANSCRIPT_CALLS) delete session.claim.trace.tool_transcript.entries;
// One entry a second: a long session outlasts its attestation.
const { gateway, trace } = session.claim;
const attested = Date.parse(gateway.attestation_generated_at) / 1000;
gateway.attestation_stale = trace.iat - attested > gateway.attestation_validity_seconds;
await seal(session, key);

const file = await openSessionFiles(folder).write(session);
const where = existsSync(file.replace(/json$/, 'ndjson')) ? 'beside' : 'inside';
const made: MadeSession = { file, where, key: key.x, policyHash: POLICY_HASH, catalogHash: CATALOG_HASH };
console.log(JSON.stringify(made));
