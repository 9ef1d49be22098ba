import { equalBytes } from '../bytes/equal.ts';
import { FormatError } from '../format-error.ts';
import { type DerNode, readDer, TAG, writeDer } from './der.ts';

/** The curves that keys may be on. */
export type Curve = 'P-256' | 'P-384' | 'P-521';

/** A public key. Coordinates have the width of the field; `n` and `e` have no leading zero. */
export type PublicKey =
  | { kind: 'ec'; curve: Curve; x: Uint8Array<ArrayBuffer>; y: Uint8Array<ArrayBuffer> }
  | { kind: 'rsa'; n: Uint8Array<ArrayBuffer>; e: Uint8Array<ArrayBuffer>; bits: number }
  | { kind: 'ed25519'; raw: Uint8Array<ArrayBuffer> };

/** Bytes of a coordinate, and of each half of a signature. */
export const CURVE_BYTES: Readonly<Record<Curve, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 };

const EC_KEY = { oid: '1.2.840.10045.2.1', der: [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] };
const RSA_KEY = {
  oid: '1.2.840.113549.1.1.1',
  der: [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01],
};
const ED25519_KEY = { oid: '1.3.101.112', der: [0x06, 0x03, 0x2b, 0x65, 0x70] };
const CURVES: readonly { curve: Curve; oid: string; der: readonly number[] }[] = [
  { curve: 'P-256', oid: '1.2.840.10045.3.1.7', der: [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] },
  { curve: 'P-384', oid: '1.3.132.0.34', der: [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22] },
  { curve: 'P-521', oid: '1.3.132.0.35', der: [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23] },
];
/** No vendor issues shorter keys for attestation, and longer ones would only cost time. */
const RSA_BITS = { least: 2048, most: 8192 };
const F4 = Uint8Array.of(1, 0, 1);

/**
 * The key of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). Whether an EC point is on its curve is found out when a signature is
 * verified.
 *
 * @throws FormatError, also for a kind of key that is not accepted
 */
export function parseSpki(der: Uint8Array<ArrayBuffer>): PublicKey {
  const [algorithm, bits, ...rest] = readDer(der, 'public key').children(TAG.sequence);
  const [kind, parameters, ...more] = algorithm?.children(TAG.sequence) ?? [];
  if (bits === undefined || kind === undefined || rest.length + more.length > 0) {
    throw new FormatError('public key: it has not the parts that a public key has');
  }
  switch (kind.oid()) {
    case EC_KEY.oid:
      return ecKey(parameters, bits.bitString());
    case RSA_KEY.oid:
      return rsaKeyOfDer(parameters, bits.bitString());
    case ED25519_KEY.oid:
      return ed25519Key(parameters, bits.bitString());
    default:
      throw new FormatError(`public key: keys of kind ${kind.oid()} are not accepted`);
  }
}

function ecKey(parameters: DerNode | undefined, point: Uint8Array<ArrayBuffer>): PublicKey {
  const named = parameters?.tag === TAG.oid ? parameters.oid() : 'that is not named';
  const curve = CURVES.find(({ oid }) => oid === named)?.curve;
  if (curve === undefined) throw new FormatError(`public key: the curve ${named} is not accepted`);
  const width = CURVE_BYTES[curve];
  if (point[0] !== 4 || point.length !== 1 + 2 * width) {
    throw new FormatError(`public key: the point is not an uncompressed point of ${curve}`);
  }
  return { kind: 'ec', curve, x: point.subarray(1, 1 + width), y: point.subarray(1 + width) };
}

function rsaKeyOfDer(parameters: DerNode | undefined, der: Uint8Array<ArrayBuffer>): PublicKey {
  if (parameters?.tag !== TAG.null || parameters.content.length > 0) {
    throw new FormatError('public key: an RSA key has parameters');
  }
  const [n, e, ...rest] = readDer(der, 'RSA key').children(TAG.sequence);
  if (n === undefined || e === undefined || rest.length > 0)
    throw new FormatError('RSA key: it is not modulus and exponent');
  return rsaKey(n.unsigned(), e.unsigned());
}

/** An RSA key of modulus and exponent (big-endian, no leading zero). @throws FormatError unless its size and exponent are accepted */
export function rsaKey(n: Uint8Array<ArrayBuffer>, e: Uint8Array<ArrayBuffer>): PublicKey {
  const bits = n.length * 8 - Math.clz32(n[0] ?? 0) + 24;
  if (n[0] === 0 || bits < RSA_BITS.least || bits > RSA_BITS.most || ((n.at(-1) ?? 0) & 1) === 0) {
    throw new FormatError(`RSA key: a modulus of ${bits} bits is not accepted`);
  }
  if (!equalBytes(e, F4)) throw new FormatError('RSA key: the exponent is not 65537');
  return { kind: 'rsa', n, e, bits };
}

function ed25519Key(parameters: DerNode | undefined, raw: Uint8Array<ArrayBuffer>): PublicKey {
  if (parameters !== undefined || raw.length !== 32) {
    throw new FormatError('public key: it has not the form of an Ed25519 key');
  }
  return { kind: 'ed25519', raw };
}

/** SubjectPublicKeyInfo, DER, of a key. */
export function spkiOf(key: PublicKey): Uint8Array<ArrayBuffer> {
  switch (key.kind) {
    case 'ec': {
      const curve = CURVES.find((each) => each.curve === key.curve)?.der ?? [];
      return spki([...EC_KEY.der, ...curve], pointOf(key));
    }
    case 'rsa': {
      const numbers = writeDer(TAG.sequence, writeUnsigned(key.n), writeUnsigned(key.e));
      return spki([...RSA_KEY.der, TAG.null, 0], numbers);
    }
    case 'ed25519':
      return spki(ED25519_KEY.der, key.raw);
  }
}

function spki(algorithm: readonly number[], bits: Uint8Array): Uint8Array<ArrayBuffer> {
  return writeDer(
    TAG.sequence,
    writeDer(TAG.sequence, Uint8Array.from(algorithm)),
    writeDer(TAG.bitString, Uint8Array.of(0), bits),
  );
}

function writeUnsigned(octets: Uint8Array): Uint8Array {
  return writeDer(TAG.integer, (octets[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(), octets);
}

/** The uncompressed point of an EC key (SEC 1 section 2.3.3). */
export function pointOf(key: PublicKey & { kind: 'ec' }): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(4, ...key.x, ...key.y);
}

/** Whether two keys are the same key. */
export function samePublicKey(a: PublicKey, b: PublicKey): boolean {
  return equalBytes(spkiOf(a), spkiOf(b));
}
