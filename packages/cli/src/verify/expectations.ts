import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  type CallReceipt,
  EVIDENCE_CLASSES,
  type EvidenceClass,
  type Expectations,
  JsonError,
  parseJson,
  readReceipt,
} from '@cmcp/evidence';
import type { Arguments, Option } from '../arguments.ts';
import { readAnchors, readPolicy } from '../evidence/given.ts';
import { type Io, RefusedError, UsageError } from '../io.ts';
import { knownKeys, readKey } from '../keys.ts';
import { rfc3339 } from '../time.ts';
import { readApprovals } from './approvals.ts';
import { readApprovedCatalog, readApprovedPolicy } from './approved.ts';
import { readApproversOfCalls } from './approvers.ts';
import { readSupplements } from './supplements.ts';

/** The options that say what a relying party expects of a session; nothing of it is read from the session. */
export const EXPECTATION_OPTIONS: Record<string, Option> = {
  key: { value: 'FILE', multiple: true, help: 'A claim key that you trust: a JWK, or its x on one line.' },
  'policy-hash': { value: 'HASH', help: 'The approved policy bundle, sha256:…' },
  policy: {
    value: 'DIR',
    help: 'The approved policy bundle itself: its hash is computed, and what it permits is looked at.',
  },
  'catalog-hash': { value: 'HASH', help: 'The approved catalog, sha256:…' },
  catalog: { value: 'FILE', help: 'The approved catalog itself: its hash is computed.' },
  'rules-hash': { value: 'HASH', help: 'The inspection rules that you expect, as `cmcp inspection hash` prints it.' },
  reviewers: {
    value: 'FILE',
    help: 'Whose approvals count and how many are needed: JSON with the members of `catalog.approval`.',
  },
  'catalog-approval': { value: 'FILE', help: 'The approval record of the catalog; held to --reviewers.' },
  'policy-approval': { value: 'FILE', help: 'The approval record of the policy bundle; held to --reviewers.' },
  approvers: {
    value: 'FILE',
    help: 'Who may approve calls: JSON with the members of `approvals.approvers`; session_start must commit to it.',
  },
  'approver-key': {
    value: 'FILE',
    multiple: true,
    help: 'A key of somebody who may approve calls; each approval must be signed with one.',
  },
  measurement: { value: 'VALUE', help: 'The reference value that the platform must have measured.' },
  'gateway-measurement': {
    value: 'DIGEST',
    help: 'The gateway that you expect, sha256:…, as `cmcp attest measure` prints it.',
  },
  'immutable-image': {
    help: 'Your reference values are of an image to which nothing can be added (ML3): whatever runs in it is covered.',
  },
  'evidence-policy': {
    value: 'FILE',
    help: 'What you accept of the hardware, and reference values of registers, as JSON.',
  },
  root: { value: 'FILE', multiple: true, help: 'A root certificate to trust besides those of the makers.' },
  trust: { value: 'FILE', multiple: true, help: 'The same as --root.' },
  'tpm-makers': { help: 'Trust the roots of TPM makers too; they were collected from one source only.' },
  'gpu-service-keys': { value: 'FILE', help: 'The JWKS of NVIDIA’s attestation service, as you fetched it.' },
  receipt: {
    value: 'FILE',
    multiple: true,
    help: 'The `_meta` that a caller got back; its call must be in the record.',
  },
  'controller-key': {
    value: 'FILE',
    multiple: true,
    help: 'The key of an outside controller whose receipts entries carry.',
  },
  action: {
    value: 'FILE',
    multiple: true,
    help: 'What a controller did in a call (an embodied action); it must be of a call in the record.',
  },
  'agent-manifest': { value: 'FILE', help: 'The manifest of the agent that the session should have been run for.' },
  'manifest-keys': { value: 'FILE', help: 'The keys that manifests may be signed with.' },
  'manifest-revocations': { value: 'FILE', help: 'A published list of revoked manifests.' },
  'delegation-key': {
    value: 'PRINCIPAL=KEY',
    multiple: true,
    help: 'The Ed25519 key, in base64url, of a principal that delegates in manifests.',
  },
  'revocation-bundle': { value: 'FILE', help: 'Statements about revoked keys.' },
  'revocation-key': { value: 'FILE', multiple: true, help: 'A key that may revoke others.' },
  'anchor-entry': { value: 'FILE', help: 'A line of the registry, from a copy that you trust.' },
  'anchor-proof': { value: 'FILE', help: 'The proof that the claim is in that line.' },
  'min-evidence-class': { value: 'CLASS', help: `Least class of the calls: ${EVIDENCE_CLASSES.join(', ')}.` },
  'max-age': { value: 'SECONDS', help: 'Refuse evidence that is older than this.' },
  at: { value: 'TIME', help: 'Judge age, certificates and collateral at this RFC 3339 time.' },
  'accept-software': { help: 'Accept a software key: nothing vouches for the machine.' },
  'accept-software-tpm': { help: 'Accept a software TPM: nothing vouches for the machine.' },
  'accept-operator-root': { help: 'Accept evidence that chains to a root of the operator, not of a maker.' },
  'allow-mode': {
    value: 'MODE',
    multiple: true,
    help: 'Accept a session in this mode besides enforcing: advisory, silent.',
  },
  'unpinned-policy': { help: 'Do not require --policy-hash.' },
  'unpinned-catalog': { help: 'Do not require --catalog-hash.' },
  'allow-exceptions': {
    help: 'Accept that agents could use tools that the catalog does not hold, by an exception of two operators.',
  },
  'allow-permit-all': { help: 'With --policy: accept a policy that permits every call.' },
};

/** What the options say. @throws UsageError, RefusedError for a file that does not hold what it should */
export async function readExpectations(given: Arguments, io: Io): Promise<Expectations> {
  const keys = await Promise.all(given.many('key').map(readKey));
  const evidencePolicy = await readPolicy(given.one('evidence-policy'));
  const serviceKeys = given.one('gpu-service-keys');
  const least = evidenceClass(given.one('min-evidence-class'));
  return {
    keys: keys.length > 0 ? keys : await knownKeys(io.variables),
    receipts: await Promise.all(given.many('receipt').map(receiptIn)),
    controllerKeys: await Promise.all(given.many('controller-key').map(readKey)),
    anchors: await readAnchors(given, ['amd-sev', 'intel-sgx', 'tpm', 'nvidia-device']),
    ...(evidencePolicy !== null && { evidencePolicy }),
    ...(serviceKeys !== null && { gpuServiceKeys: new Uint8Array(await readFile(serviceKeys)) }),
    ...(least !== null && { minEvidenceClass: least }),
    ...(await readSupplements(given)),
    ...(await approved(given)),
    ...(await readApprovals(given)),
    ...(await readApproversOfCalls(given)),
    ...relaxed(given),
    ...clock(given),
  };
}

/** Hash or document, never both: one of them would be ignored. */
async function approved(given: Arguments): Promise<Expectations> {
  const policyHash = hash(given, 'policy-hash', 'policy');
  const catalogHash = hash(given, 'catalog-hash', 'catalog');
  const [policy, catalog] = [given.one('policy'), given.one('catalog')];
  const measurement = measurementOf(given.one('measurement'));
  const gatewayMeasurement = digestOf(given, 'gateway-measurement');
  const rulesHash = digestOf(given, 'rules-hash');
  return {
    ...(policyHash !== null && { policyHash }),
    ...(policy !== null && (await readApprovedPolicy(policy))),
    ...(catalogHash !== null && { catalogHash }),
    ...(catalog !== null && (await readApprovedCatalog(catalog))),
    ...(rulesHash !== null && { rulesHash }),
    ...(measurement !== null && { measurement }),
    ...(gatewayMeasurement !== null && { gatewayMeasurement }),
  };
}

function relaxed(given: Arguments): Expectations {
  return {
    immutableImage: given.has('immutable-image'),
    acceptSoftware: given.has('accept-software'),
    acceptSoftwareTpm: given.has('accept-software-tpm'),
    acceptOperatorRoot: given.has('accept-operator-root'),
    unpinnedPolicy: given.has('unpinned-policy'),
    unpinnedCatalog: given.has('unpinned-catalog'),
    allowPermitAll: given.has('allow-permit-all'),
    allowExceptions: given.has('allow-exceptions'),
    allowModes: given.many('allow-mode').map(mode),
  };
}

/** Age is judged by a clock only when it was asked about (contracts section 5). */
function clock(given: Arguments): Expectations {
  const maxAge = seconds(given.one('max-age'));
  const at = rfc3339(given.one('at'));
  return {
    ...(at !== null && { now: at }),
    ...(maxAge !== null && { maxAgeSeconds: maxAge, now: at ?? Math.floor(Date.now() / 1000) }),
  };
}

function hash(given: Arguments, name: string, document: string): string | null {
  const value = given.one(name);
  if (value === null) return null;
  if (given.one(document) !== null) throw new UsageError(`give --${name} or --${document}, not both`);
  if (!/^(?:sha256:)?[0-9a-f]{64}$/.test(value))
    throw new UsageError(`--${name} takes sha256: and 64 lower-case hexadecimal digits`);
  return value;
}

/** As claims write it (wire-formats section 11.1), in either case; bare hexadecimal of 48 bytes is the field, which claims hash. */
function measurementOf(value: string | null): string | null {
  if (value === null) return null;
  const text = value.toLowerCase();
  if (/^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96})$/.test(text)) return text;
  if (/^[0-9a-f]{64}$/.test(text)) return `sha256:${text}`;
  if (/^[0-9a-f]{96}$/.test(text)) return `sha384:${createHash('sha384').update(text, 'hex').digest('hex')}`;
  throw new UsageError(
    '--measurement takes sha256:… or sha384:… as in claims, or the 48 bytes of the field in hexadecimal',
  );
}

function digestOf(given: Arguments, name: string): string | null {
  const value = given.one(name);
  if (value === null || /^sha256:[0-9a-f]{64}$/.test(value)) return value;
  throw new UsageError(`--${name} takes sha256: and 64 lower-case hexadecimal digits`);
}

function seconds(value: string | null): number | null {
  if (value === null) return null;
  if (!/^(?:0|[1-9]\d{0,9})$/.test(value)) throw new UsageError('--max-age takes a whole number of seconds');
  return Number(value);
}

function mode(value: string): 'advisory' | 'silent' {
  if (value !== 'advisory' && value !== 'silent') throw new UsageError('--allow-mode takes advisory or silent');
  return value;
}

function evidenceClass(value: string | null): EvidenceClass | null {
  if (value === null) return null;
  const known = EVIDENCE_CLASSES.find((name) => name === value);
  if (known === undefined) throw new UsageError(`--min-evidence-class takes one of ${EVIDENCE_CLASSES.join(', ')}`);
  return known;
}

/** What a caller kept: the whole `_meta`, or its `io.cmcp/call` alone. */
async function receiptIn(file: string): Promise<CallReceipt> {
  const receipt = readReceipt(await parsed(file));
  if (receipt === null)
    throw new RefusedError(`${file} holds no receipt: expected call_id and session_id, as in _meta["io.cmcp/call"]`);
  return receipt;
}

async function parsed(file: string): Promise<ReturnType<typeof parseJson>> {
  try {
    return parseJson(await readFile(file));
  } catch (error) {
    if (error instanceof JsonError) throw new RefusedError(`${file} is not strict JSON: ${error.message}`);
    throw error;
  }
}
