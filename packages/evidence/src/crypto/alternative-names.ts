import { FormatError } from '../format-error.ts';
import { readDer, TAG } from './der.ts';
import type { Certificate } from './x509.ts';

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
/** `uniformResourceIdentifier [6] IA5String` (RFC 5280 section 4.2.1.6). */
const URI = 0x86;
/** More names than any certificate of a workload has. */
const MAX_NAMES = 256;

/**
 * The URIs among the alternative names of a certificate, in order, repeated ones too; none where it has no such names.
 *
 * @throws FormatError, also for a URI that is not ASCII
 */
export function uriNames({ extensions }: Pick<Certificate, 'extensions'>): string[] {
  const extension = extensions.get(SUBJECT_ALTERNATIVE_NAME);
  if (extension === undefined) return [];
  const names = readDer(extension.value, 'alternative names').children(TAG.sequence);
  if (names.length > MAX_NAMES) throw new FormatError('alternative names: there are too many');
  return names.filter(({ tag }) => tag === URI).map(({ content }) => asciiOf(content));
}

function asciiOf(octets: Uint8Array): string {
  if (octets.some((octet) => octet >= 0x80)) throw new FormatError('alternative names: a URI is not ASCII');
  return Array.from(octets, (octet) => String.fromCharCode(octet)).join('');
}
