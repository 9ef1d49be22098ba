import { Tagged } from 'cborg';
import { encodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';
import type { JsonValue } from '../json/value.ts';
import { cborToJson, decodeCbor, encodeCbor, isDeterministic } from './cbor.ts';

/** CBOR tags (RFC 9052 section 2). */
const SIGN1 = 18;
const SIGN = 98;

/** Header labels. */
const ALG = 1;
const CRIT = 2;
const CONTENT_TYPE = 3;
const KID = 4;
const TYP = 16;
const RECEIPTS = 394;
const ATTESTATION = 'agent-manifest-attestation';
const APPROVALS = 'agent-manifest-approvals';

const PAYLOAD_TYPE = 'application/agent-manifest+json';
const ENVELOPE_TYPE = 'application/agent-manifest+cose';

type Header = ReadonlyMap<unknown, unknown>;

/** A COSE envelope whose structure has been checked, and nothing else (wire-formats section 16.3). */
export interface CoseEnvelope {
  tag: number;
  protected: Uint8Array<ArrayBuffer>;
  unprotected: Header;
  /** The canonical JSON of the manifest, as received: what is signed, and what hardware evidence names. */
  payload: Uint8Array<ArrayBuffer>;
  /** The fourth element: a signature, or the signers. */
  signatures: unknown;
}

/** One signature of an envelope, with the bytes that it covers. */
export interface CoseSigner {
  /** COSE code point. */
  algorithm: number;
  /** The kid: hex of the SHA-256 over the raw public key. */
  keyId: string;
  signature: Uint8Array<ArrayBuffer>;
  signed: Uint8Array<ArrayBuffer>;
}

/**
 * Opens a COSE_Sign1 or COSE_Sign envelope. Reads no signer yet: whether the payload is of a version that this verifier knows
 * comes first.
 *
 * @throws FormatError
 */
export function openEnvelope(bytes: Uint8Array): CoseEnvelope {
  const tagged = decodeCbor(bytes, 'the envelope', [SIGN1, SIGN]);
  if (!(tagged instanceof Tagged)) throw new FormatError('the envelope has no COSE tag (18 or 98)');
  const body = elements(tagged.value, 4, 'the envelope');
  const [protectedBytes, unprotected, payload, signatures] = body;
  const envelope = {
    tag: tagged.tag,
    protected: byteString(protectedBytes, 'the protected header'),
    unprotected: headerMap(unprotected, 'the unprotected header'),
    payload: byteString(payload, 'the payload'),
    signatures,
  };
  const header = protectedHeader(envelope.protected, envelope.unprotected, 'the envelope');
  if (header.get(TYP) !== ENVELOPE_TYPE) throw new FormatError(`the envelope's typ is not ${ENVELOPE_TYPE}`);
  if (header.get(CONTENT_TYPE) !== PAYLOAD_TYPE) {
    throw new FormatError(`the envelope's content type is not ${PAYLOAD_TYPE}`);
  }
  return envelope;
}

/** The signers of an envelope, at least one and of each algorithm family at most one. @throws FormatError */
export function readSigners(envelope: CoseEnvelope): CoseSigner[] {
  if (envelope.tag === SIGN1) return [signer(envelope, envelope.protected, envelope.signatures, 'the envelope')];
  const { signatures } = envelope;
  if (!Array.isArray(signatures) || signatures.length === 0) throw new FormatError('the envelope has no signers');
  const signers = signatures.map((entry, i) => {
    const what = `signer ${i}`;
    const [protectedBytes, unprotected, signature] = elements(entry, 3, what);
    const own = byteString(protectedBytes, `the protected header of ${what}`);
    protectedHeader(own, headerMap(unprotected, `the unprotected header of ${what}`), what);
    return signer(envelope, own, signature, what);
  });
  const families = signers.map(({ algorithm }) => algorithmOf(algorithm) ?? algorithm);
  if (new Set(families).size < families.length) throw new FormatError('two signers use the same algorithm');
  return signers;
}

/** The name of a COSE algorithm, or null for one that manifests are not signed with. -8 and -19 both stand for Ed25519. */
export function algorithmOf(codePoint: number): 'Ed25519' | 'ML-DSA-65' | null {
  if (codePoint === -19 || codePoint === -8) return 'Ed25519';
  return codePoint === -49 ? 'ML-DSA-65' : null;
}

/** What is attached to an envelope after signing; undefined when nothing is. @throws FormatError when it has no JSON form */
export function attachments({ unprotected }: CoseEnvelope): {
  attestation: JsonValue | undefined;
  approvals: JsonValue | undefined;
  receipts: boolean;
} {
  const json = (label: string): JsonValue | undefined =>
    unprotected.has(label) ? cborToJson(unprotected.get(label), label) : undefined;
  return { attestation: json(ATTESTATION), approvals: json(APPROVALS), receipts: unprotected.has(RECEIPTS) };
}

/** Reads a protected header that is the only encoding of itself, marks nothing critical and leaves no `alg` unprotected. */
function protectedHeader(bytes: Uint8Array, unprotected: Header, what: string): Header {
  const header = headerMap(decodeCbor(bytes, `the protected header of ${what}`), `the protected header of ${what}`);
  if (!isDeterministic(bytes, header)) {
    throw new FormatError(`the protected header of ${what} is not in its deterministic encoding`);
  }
  // No parameter of this format is critical, so whatever is marked is something that this verifier does not know.
  if (header.has(CRIT)) throw new FormatError(`${what} marks header parameters critical that are not known`);
  if (unprotected.has(ALG)) throw new FormatError(`${what} has an alg outside the protected header`);
  return header;
}

function signer(envelope: CoseEnvelope, own: Uint8Array<ArrayBuffer>, signature: unknown, what: string): CoseSigner {
  const header = headerMap(decodeCbor(own, `the protected header of ${what}`), what);
  const algorithm = header.get(ALG);
  const kid = header.get(KID);
  if (typeof algorithm !== 'number' || !Number.isInteger(algorithm)) throw new FormatError(`${what} has no alg`);
  if (!(kid instanceof Uint8Array)) throw new FormatError(`${what} has no kid`);
  const nothing = new Uint8Array();
  return {
    algorithm,
    keyId: encodeHex(kid),
    signature: byteString(signature, `the signature of ${what}`),
    signed: encodeCbor(
      envelope.tag === SIGN1
        ? ['Signature1', own, nothing, envelope.payload]
        : ['Signature', envelope.protected, own, nothing, envelope.payload],
    ),
  };
}

function elements(value: unknown, count: number, what: string): unknown[] {
  if (!Array.isArray(value) || value.length !== count) throw new FormatError(`${what} is not ${count} elements`);
  return value;
}

function byteString(value: unknown, what: string): Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array)) throw new FormatError(`${what} is not a byte string`);
  return new Uint8Array(value);
}

function headerMap(value: unknown, what: string): Header {
  if (!(value instanceof Map)) throw new FormatError(`${what} is not a map`);
  return value;
}
