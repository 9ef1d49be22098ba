/** Sessions with evidence of generated platforms, for tests. Not part of the package. */
import { encodeUtf8 } from '../bytes/utf8.ts';
import { parseSpki } from '../crypto/key.ts';
import { sha256 } from '../crypto/sha256.ts';
import type { EvidenceFiles, TrustAnchor } from '../hardware/given.ts';
import { gpuChallenge } from '../hardware/session/gpu.ts';
import { quoteBinding } from '../hardware/tpm/quote-pair.ts';
import {
  decodeHex,
  encodeBase64Url,
  encodeHex,
  type GatewayClaim,
  type JsonObject,
  jwkThumbprint,
  type SessionFile,
} from '../index.ts';
import { adopt, type EventSpec, makeSession, START_SECONDS, seal, sign, type TestKey } from './session.ts';
import { makeSnp, type SnpOptions } from './snp.ts';
import { makeTdx, type TdxOptions } from './tdx.ts';
import { makeTpm, type TestTpm, type TpmOptions, type TpmPcrs } from './tpm.ts';

type Evidence = NonNullable<GatewayClaim['gateway']['attestation_evidence']>;

/** A session whose key and chain hardware of a generated root vouches for. */
export interface HardwareSession {
  file: SessionFile;
  root: TrustAnchor;
  /** What the claim says was measured. */
  measurement: string;
}

/** How a platform describes itself in a claim. */
export interface Platform {
  platform: string;
  measurement: string;
  evidence: Evidence;
  /** By role, `<kind>/<role>`. */
  beside?: Record<string, Uint8Array>;
}

/** The seconds at which evidence of a session is judged: what its claim says. */
export const CLAIM_SECONDS = START_SECONDS + 2;

/** A session that commits to hardware, before any evidence is there: its root is what evidence has to name. */
export async function openSession(
  key: TestKey,
  events: readonly EventSpec[] = [],
  commitments: JsonObject = {},
): Promise<SessionFile> {
  const file = await makeSession(key, events);
  const detail = file.bundle.entries[0]?.detail;
  if (detail === null || detail === undefined) throw new Error('session_start commits to nothing');
  Object.assign(detail, { trust_level: 'hardware' }, commitments);
  await seal(file, key);
  return file;
}

/** The 64 bytes that evidence of a session carries (wire-formats section 10). */
export function boundBytes(file: SessionFile): Uint8Array<ArrayBuffer> {
  const root = sha256(decodeHex(file.claim.gateway.audit_chain.root));
  return Uint8Array.of(...jwkThumbprint(file.claim.trace.cnf.jwk.x), ...root);
}

/** Lets the claim name a platform and carry its evidence, and signs it again. The chain stays as it is. */
export async function attest(file: SessionFile, key: TestKey, platform: Platform): Promise<void> {
  const { measurement, evidence, beside = {} } = platform;
  adopt(file.claim, key);
  file.claim.trace.runtime = {
    platform: platform.platform,
    measurement,
    nonce: encodeBase64Url(boundBytes(file)),
  };
  file.claim.gateway.attestation_evidence = evidence;
  file.evidence = Object.entries(beside).map(([role, data]) => ({
    role,
    media_type: 'application/octet-stream',
    data: Buffer.from(data).toString('base64'),
  }));
  await sign(file, key);
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('base64');
const sha384 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  `sha384:${encodeHex(new Uint8Array(await crypto.subtle.digest('SHA-384', bytes)))}`;

export const SNP_MEASUREMENT = new Uint8Array(48).fill(0x5a);

/** A session on SEV-SNP. `options` change the report; by default it names key and chain. */
export async function snpSession(
  key: TestKey,
  events: readonly EventSpec[] = [],
  options: SnpOptions = {},
  commitments: JsonObject = {},
): Promise<HardwareSession> {
  const file = await openSession(key, events, commitments);
  const { files, root } = await makeSnp({ reportData: boundBytes(file), measurement: SNP_MEASUREMENT, ...options });
  const measurement = await sha384(SNP_MEASUREMENT);
  await attest(file, key, {
    platform: 'amd-sev-snp',
    measurement,
    evidence: snpEvidenceOf(files),
    beside: crlOf(files),
  });
  return { file, root, measurement };
}

/** The members of `attestation_evidence` for a report with its certificates. */
export function snpEvidenceOf({ report, vcek, vlek, chain }: EvidenceFiles): Evidence {
  const leaf = vcek ?? vlek ?? new Uint8Array();
  const pem = `-----BEGIN CERTIFICATE-----\n${text(leaf)}\n-----END CERTIFICATE-----\n`;
  return {
    raw_evidence: text(report),
    cert_chain: Buffer.from(pem + Buffer.from(chain ?? []).toString()).toString('base64'),
  };
}

function crlOf({ crl }: EvidenceFiles): Record<string, Uint8Array> {
  return crl === undefined ? {} : { 'sev-snp/crl': crl };
}

/** A session on TDX, with collateral beside the quote. */
export async function tdxSession(
  key: TestKey,
  events: readonly EventSpec[] = [],
  options: TdxOptions = {},
): Promise<HardwareSession & { rtmr: (index: number) => string }> {
  const file = await openSession(key, events);
  const made = await makeTdx({ at: START_SECONDS, reportData: boundBytes(file), ...options });
  const { quote, ...collateral } = made.files;
  const body = (quote ?? new Uint8Array()).subarray(48);
  const measurement = await sha384(body.slice(136, 184));
  const beside = Object.fromEntries(Object.entries(collateral).map(([role, data]) => [`tdx/${role}`, data]));
  await attest(file, key, { platform: 'intel-tdx', measurement, evidence: { raw_evidence: text(quote) }, beside });
  const rtmr = (index: number): string => encodeHex(body.subarray(328 + 48 * index, 376 + 48 * index));
  return { file, root: made.root, measurement, rtmr };
}

const SELECTION = { first: 'sha256:0,1,2,3,4,5,6,7', second: 'sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15' };
export const LAUNCH_PCR = 'c4'.repeat(32);

/** A session on a TPM: both quotes of contracts section 4, unless `second` is false. `launch`: PCR 13. */
export async function tpmSession(
  key: TestKey,
  events: readonly EventSpec[] = [],
  options: TpmOptions & { second?: boolean; launch?: string } = {},
  commitments: JsonObject = {},
): Promise<HardwareSession & { tpm: TestTpm }> {
  const file = await openSession(key, events, commitments);
  const tpm = await makeTpm(options);
  const { launch = '00'.repeat(32) } = options;
  const pcrs: TpmPcrs = { sha256: { '4': 'ab'.repeat(32), '11': LAUNCH_PCR, '13': launch } };
  const bound = boundBytes(file);
  const first = tpm.quote(bound.subarray(0, 32), SELECTION.first, pcrs);
  const second = tpm.quote(quoteBinding(bound), SELECTION.second, pcrs);
  const zeros = '00'.repeat(32);
  const registers = Array.from({ length: 8 }, (_, i) => pcrs.sha256?.[String(i)] ?? zeros).join('');
  const measurement = `sha256:${encodeHex(sha256(decodeHex(registers)))}`;
  const beside = {
    'tpm/second_attest': second.attest,
    'tpm/second_signature': second.signature,
    'tpm/second_pcrs': second.pcrs,
  };
  await attest(file, key, {
    platform: 'tpm2',
    measurement,
    evidence: {
      raw_evidence: text(first.attest),
      quote_signature: text(first.signature),
      cert_chain: text(tpm.files.ak_chain),
      ek_cert_chain: text(tpm.files.ek_chain),
    },
    beside: options.second === false ? {} : beside,
  });
  return { file, root: tpm.root, measurement, tpm };
}

/**
 * A session in a confidential VM on Azure: the report carries the hash of what the paravisor says of itself, which names the key of
 * the virtual TPM, and the quote of that carries the 64 bytes. `quoted` are the registers that it covers.
 */
export async function azureSession(
  key: TestKey,
  events: readonly EventSpec[] = [],
  quoted = { selection: SELECTION.second, pcrs: { sha256: { '11': LAUNCH_PCR } } as TpmPcrs },
): Promise<HardwareSession> {
  const file = await openSession(key, events);
  const tpm = await makeTpm({ scheme: 'rsassa' });
  const runtime = runtimeData(tpm);
  const { files, root } = await makeSnp({ reportData: sha256(runtime), measurement: SNP_MEASUREMENT });
  const quote = tpm.quote(boundBytes(file), quoted.selection, quoted.pcrs);
  const evidence = {
    v: 1,
    snp_report: text(files.report),
    runtime_data: text(runtime),
    quote_msg: text(quote.attest),
    quote_sig: text(quote.signature),
    vcek_chain_pem: snpEvidenceOf(files).cert_chain,
    ak_pub_pem: Buffer.from(tpm.akPem).toString(),
  };
  const measurement = await sha384(SNP_MEASUREMENT);
  await attest(file, key, {
    platform: 'azure-cvm-sev-snp',
    measurement,
    evidence: { raw_evidence: text(encodeUtf8(JSON.stringify(evidence))) },
    beside: { 'azure-cvm/pcrs': quote.pcrs },
  });
  return { file, root, measurement };
}

/** What the paravisor says of itself: JSON with the attestation key of its virtual TPM. */
function runtimeData({ akSpki }: TestTpm): Uint8Array<ArrayBuffer> {
  const ak = parseSpki(akSpki);
  if (ak.kind !== 'rsa') throw new Error('the virtual TPM of Azure quotes with RSA');
  const jwk = { kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e: encodeBase64Url(ak.e), n: encodeBase64Url(ak.n) };
  return encodeUtf8(JSON.stringify({ keys: [jwk], 'vm-configuration': { 'secure-boot': true } }));
}

/** The challenge that evidence of a GPU in this session has to answer. */
export function gpuChallengeOf(file: SessionFile): Uint8Array<ArrayBuffer> {
  return gpuChallenge(boundBytes(file));
}
