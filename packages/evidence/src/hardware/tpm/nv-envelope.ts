import { decodeEvidenceBase64 } from '../../bytes/evidence-base64.ts';
import { EncodingError } from '../../bytes/utf8.ts';
import { sha256Hex } from '../../crypto/sha256.ts';
import { FormatError } from '../../format-error.ts';
import { canonicalSorted } from '../../json/canonical.ts';
import { readJsonObject } from '../../json/document.ts';
import { member } from '../../json/value.ts';
import { object, text } from '../../shape.ts';
import { parseAttest, type TpmNvCertify } from './parse.ts';
import { parseSignature, type TpmSignature } from './signature.ts';

/** The index into which a gateway measures itself has the width of SHA-256 and is certified whole. */
const WIDTH = 32;

/** What the parts of a gateway are measured as, each SHA-256 hex. */
export type GatewayComponents = Record<'code' | 'policy' | 'config', string>;

/** A gateway's measurement of itself in an NV extend index, certified before and after (wire-formats section 11.5). */
export interface NvEnvelope {
  pre: CertifiedNv;
  post: CertifiedNv;
  gatewayDigest: string;
  components: GatewayComponents;
}

/** One certification: what the TPM says the index holds. */
export interface CertifiedNv {
  attest: TpmNvCertify;
  signature: TpmSignature;
}

interface WireEnvelope {
  pre_attest: string;
  pre_signature: string;
  post_attest: string;
  post_signature: string;
  gateway_digest: string;
  components: GatewayComponents;
}

const HEX = text(/^[0-9a-f]{64}$/);
const SHAPE = object({
  v: () => null,
  pre_attest: text(),
  pre_signature: text(),
  post_attest: text(),
  post_signature: text(),
  gateway_digest: HEX,
  components: object({ code: HEX, policy: HEX, config: HEX }),
});

/**
 * Reads the envelope. Errors start with the name that the reference gives them.
 *
 * @throws FormatError
 */
export function parseNvEnvelope(bytes: Uint8Array): NvEnvelope {
  const value = named('malformed_envelope', () => readJsonObject(bytes, 'the envelope', { depth: 3, items: 100 }));
  if (member(value, 'v') !== 1) throw new FormatError('unsupported_envelope_version: only version 1 is known');
  const problem = SHAPE(value, 'the envelope');
  if (problem !== null) throw new FormatError(`malformed_envelope: ${problem}`);
  const wire = value as unknown as WireEnvelope;
  return {
    pre: certified(wire.pre_attest, wire.pre_signature),
    post: certified(wire.post_attest, wire.post_signature),
    gatewayDigest: wire.gateway_digest,
    components: wire.components,
  };
}

/** What the digest of a gateway is, from its components. */
export function gatewayDigest(components: GatewayComponents): string {
  return sha256Hex(`cmcp-gateway-measurement-v1|${canonicalSorted({ ...components })}`);
}

function certified(attest: string, signature: string): CertifiedNv {
  const [attestBytes, signatureBytes] = [decoded(attest), decoded(signature)];
  return {
    attest: named('malformed_nv_certify', () => nvAttest(attestBytes)),
    signature: named('malformed_signature', () => parseSignature(signatureBytes)),
  };
}

function nvAttest(bytes: Uint8Array<ArrayBuffer>): TpmNvCertify {
  const attest = parseAttest(bytes);
  if (attest.type !== 'nv') throw new FormatError('it is a quote and certifies no NV contents');
  if (attest.offset !== 0 || attest.contents.length !== WIDTH) {
    throw new FormatError(`it does not certify the whole ${WIDTH} bytes of the index`);
  }
  return attest;
}

function decoded(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeEvidenceBase64(base64);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`malformed_envelope: ${error.message}`);
    throw error;
  }
}

function named<T>(reason: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${reason}: ${error.message}`);
    throw error;
  }
}
