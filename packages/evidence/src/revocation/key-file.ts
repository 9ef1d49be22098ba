import { readBase64Url } from '../bytes/base64url.ts';
import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { type PublicKey, parseSpki } from '../crypto/key.ts';
import { readPem } from '../crypto/pem.ts';
import { FormatError } from '../format-error.ts';
import { readKeyText } from '../relying-party.ts';
import type { RevocationKey } from './signature.ts';

/**
 * Reads a key that a relying party trusts to revoke others: an Ed25519 JWK, its `x` alone, or a public key as PEM (Ed25519, P-256 or
 * P-384).
 *
 * @param source shown in reports, e.g. the file's name
 * @throws FormatError
 */
export function readRevocationKey(bytes: Uint8Array<ArrayBuffer>, source: string): RevocationKey {
  return { key: keyIn(bytes, source), source };
}

function keyIn(bytes: Uint8Array<ArrayBuffer>, source: string): PublicKey {
  const text = utf8(bytes, source);
  if (text.startsWith('-----BEGIN')) {
    const [block, ...more] = readPem(bytes);
    if (block?.label === 'PUBLIC KEY' && more.length === 0) return parseSpki(block.der);
    throw new FormatError(`${source} does not hold one public key`);
  }
  const x = readKeyText(text);
  const raw = x === null ? null : readBase64Url(x);
  if (raw === null) throw new FormatError(`${source} holds no public key: expected a JWK, its x, or PEM`);
  return { kind: 'ed25519', raw };
}

function utf8(bytes: Uint8Array, source: string): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${source} is not text`);
    throw error;
  }
}
