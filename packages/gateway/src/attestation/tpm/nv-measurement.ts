import {
  decodeHex,
  encodeUtf8,
  type GatewayComponents,
  gatewayDigest,
  nvQualifyingData,
  sha256,
  verifyEvidence,
} from '@cmcp/evidence';
import type { NvPublic, Tpm, TpmCommands } from './api.ts';
import type { AttestationKey } from './attestation-key.ts';
import { ALG, TPMA_NV } from './constants.ts';
import { hexIndex } from './nv-certificates.ts';

/** Where gateways record what they are made of, by wire-formats section 11.5. */
const INDEX = 0x0150_0432;
const SIZE = 32;
const SEED = sha256(encodeUtf8('cmcp-nv-index-initialised-v1'));
const USES = TPMA_NV.ownerWrite | TPMA_NV.authWrite | TPMA_NV.ownerRead | TPMA_NV.authRead;
/** Like a register: what it holds can be extended, and not set. An empty auth value needs no lockout. */
const ATTRIBUTES = TPMA_NV.extend | USES | TPMA_NV.noDA;
const TYPE_MASK = 0xf0;

/** The record, as the role `nv_certify` has it, or why there is none. */
export type GatewayRecord = { envelope: Uint8Array<ArrayBuffer>; problem: null } | { envelope: null; problem: string };

/**
 * Extends an NV index by what the gateway is made of, between two certifications of its contents by the attestation key. The index
 * outlives restarts, so the values of one machine's gateways form a line. That is continuity only: whoever is root can extend the
 * index, or undefine it and begin anew, and it proves nothing about code (attestation.md section 9.2). The certified name of the
 * index, which covers its attributes and policy, shows which kind of index it is.
 *
 * @param thumbprint of the key that the gateway signs with, 32 bytes: what the certifications answer
 * @throws TpmError, GatewayError ATTESTATION_FAILED
 */
export async function recordInNv(
  tpm: Tpm,
  key: AttestationKey,
  components: GatewayComponents,
  thumbprint: Uint8Array<ArrayBuffer>,
): Promise<GatewayRecord> {
  const made = await tpm.run((commands) => extendCertified(commands, key, components, thumbprint));
  if (typeof made === 'string') return { envelope: null, problem: made };
  const verdict = await verifyEvidence(
    'tpm',
    { nv_certify: made, ak_public: key.publicArea },
    { at: 0, anchors: [], trustedAk: key.spki, nonce: thumbprint },
  );
  // Another program may have extended the index between the two.
  if (verdict.acceptable !== true) return { envelope: null, problem: verdict.summary };
  return { envelope: made, problem: null };
}

async function extendCertified(
  commands: TpmCommands,
  key: AttestationKey,
  components: GatewayComponents,
  thumbprint: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | string> {
  const unusable = await prepare(commands);
  if (unusable !== null) return unusable;
  const loaded = await key.use(commands);
  const certified = async (phase: 'pre' | 'post'): Promise<Record<string, string>> => {
    const { attest, signature } = await commands.nvCertify(loaded, INDEX, nvQualifyingData(thumbprint, phase), SIZE);
    return { [`${phase}_attest`]: base64(attest), [`${phase}_signature`]: base64(signature) };
  };
  const digest = gatewayDigest(components);
  const before = await certified('pre');
  await commands.nvExtend(INDEX, decodeHex(digest));
  const envelope = { v: 1, ...before, ...(await certified('post')), gateway_digest: digest, components };
  return encodeUtf8(JSON.stringify(envelope));
}

/** Defines the index where there is none, and gives it its first value: an index that was never written cannot be certified. */
async function prepare(commands: TpmCommands): Promise<string | null> {
  const found = await commands.nvReadPublic(INDEX);
  if (found !== null && !isOurs(found)) return `NV index ${hexIndex(INDEX)} is there, and is another kind of index`;
  if (found === null) await commands.nvDefine(INDEX, ATTRIBUTES, SIZE);
  if (found === null || (found.attributes & TPMA_NV.written) === 0) await commands.nvExtend(INDEX, SEED);
  return null;
}

/** An index that is extended is as wide as its hash (TPM 2.0 Part 3, TPM2_NV_DefineSpace). */
function isOurs({ nameAlgorithm, attributes, policy }: NvPublic): boolean {
  const extendable = (attributes & TYPE_MASK) === TPMA_NV.extend && (attributes & USES) === USES;
  return nameAlgorithm === ALG.sha256 && extendable && policy.length === 0;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
