import { signatureFinding } from './claim/self.ts';
import { verifyEd25519 } from './crypto/ed25519.ts';
import { type Finding, failed } from './finding.ts';
import { FormatError } from './format-error.ts';
import { jcsBytes } from './json/document.ts';
import { type JsonObject, member } from './json/value.ts';

/**
 * Whether the Ed25519 key `x` signed `object`: over its RFC 8785 form without its member `signature`, which is base64url.
 *
 * @param what names the object in the finding
 * @param against names the key
 */
export async function jcsSignature(object: JsonObject, x: string, what: string, against: string): Promise<Finding> {
  const signature = member(object, 'signature');
  if (typeof signature !== 'string') return failed(`${what} is not signed`);
  try {
    return signatureFinding(await verifyEd25519(x, signature, jcsBytes(object, what, 'signature')), what, against);
  } catch (error) {
    if (error instanceof FormatError) return failed(error.message);
    throw error;
  }
}
