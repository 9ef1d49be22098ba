import { encodeHex } from '../../bytes/hex.ts';
import { type DerNode, readDer, TAG } from '../../crypto/der.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { FormatError } from '../../format-error.ts';

/** TCG DICE: what firmware a key belongs to. Devices write the CompositeDeviceID of the first DICE drafts, or a DiceTcbInfo. */
const DICE = '2.23.133.5.4.1';
/** DiceTcbInfo, fwids: context tag 6, constructed (TCG DICE Attestation Architecture 1.1, section 6.1.1). */
const FWIDS = 0xa6;

/** The firmware digests in the certificate of a device key, hex; none when it has no such extension. @throws FormatError */
export function fwidsOf({ extensions }: Certificate): string[] {
  const extension = extensions.get(DICE);
  if (extension === undefined) return [];
  const parts = readDer(extension.value, 'DICE extension').children(TAG.sequence);
  if (parts[0]?.tag !== TAG.integer) {
    return parts.filter(({ tag }) => tag === FWIDS).flatMap((fwids) => fwids.children().map(digestOf));
  }
  const [, , fwid, ...rest] = parts;
  if (fwid === undefined || rest.length > 0) throw new FormatError('DICE extension: it has not the form that is known');
  return [digestOf(fwid)];
}

/** FWID: the hash algorithm, and the digest. */
function digestOf(node: DerNode): string {
  const [algorithm, digest, ...rest] = node.children(TAG.sequence);
  if (algorithm?.tag !== TAG.oid || digest === undefined || rest.length > 0) {
    throw new FormatError('DICE extension: a firmware digest has not the form that is known');
  }
  return encodeHex(digest.octetString());
}
