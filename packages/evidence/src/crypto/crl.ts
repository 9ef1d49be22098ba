import { equalBytes } from '../bytes/equal.ts';
import { FormatError } from '../format-error.ts';
import { utcText } from '../time.ts';
import { parseSignatureAlgorithm } from './algorithm.ts';
import { bigIntOf, type DerNode, explicitTag, readDer, TAG } from './der.ts';
import { type Extension, parseExtensions } from './extension.ts';
import { type Name, parseName } from './name.ts';
import { readPem } from './pem.ts';
import { type Signed, verifySigned } from './signature.ts';
import { type Certificate, sameAlgorithm, serialOf, signedParts } from './x509.ts';

/** A certificate revocation list as it was read: nothing in it is proven before {@link checkCrl}. */
export interface Crl extends Signed {
  der: Uint8Array<ArrayBuffer>;
  issuer: Name;
  /** Seconds since the epoch. */
  thisUpdate: number;
  /** Seconds since the epoch; null: the list does not say until when it holds. */
  nextUpdate: number | null;
  /** The CRL number, where it has one. */
  number: bigint | null;
  /** Serial numbers of revoked certificates, as {@link Certificate.serial} writes them. */
  revoked: ReadonlySet<string>;
  /** Object identifiers of what makes this list something else than the whole list of its issuer, or is critical and not known. */
  unknown: readonly string[];
}

const CRL_NUMBER = '2.5.29.20';
/** Extensions that narrow a list or hand it to another issuer, critical or not: delta, distribution point, issuer of an entry. */
const OTHER_LISTS: readonly string[] = ['2.5.29.27', '2.5.29.28', '2.5.29.29'];

/** Reads a file that holds one CRL: as DER, or as the one block `X509 CRL` of a PEM file (RFC 7468 section 7). @throws FormatError */
export function readCrl(bytes: Uint8Array<ArrayBuffer>): Crl {
  if (bytes[0] === TAG.sequence) return parseCrl(bytes);
  const [block, ...more] = readPem(bytes);
  if (block === undefined || more.length > 0)
    throw new FormatError('PEM: there is more than one block, where one CRL should be');
  if (block.label !== 'X509 CRL') throw new FormatError(`PEM: the block is ${block.label}, where a CRL should be`);
  return parseCrl(block.der);
}

/** Reads the DER of a CRL (RFC 5280 section 5). @throws FormatError */
export function parseCrl(der: Uint8Array<ArrayBuffer>): Crl {
  const { tbs, signatureAlgorithm, signature } = signedParts(readDer(der, 'CRL'), 'CRL');
  const fields = tbs.children(TAG.sequence);
  const version = optional(fields, (node) => node.tag === TAG.integer);
  if (version !== undefined && version.integer() !== 1n) throw new FormatError('CRL: its version is not 2');
  const [algorithm, issuer, thisUpdate] = fields.splice(0, 3);
  if (algorithm === undefined || issuer === undefined || thisUpdate === undefined) throw incomplete();
  sameAlgorithm(algorithm, signatureAlgorithm, 'CRL');
  const nextUpdate = optional(fields, (node) => node.tag !== TAG.sequence && node.tag !== explicitTag(0));
  const entries =
    optional(fields, (node) => node.tag === TAG.sequence)
      ?.children()
      .map(parseEntry) ?? [];
  const wrapped = optional(fields, (node) => node.tag === explicitTag(0));
  const extensions = wrapped === undefined ? new Map() : parseExtensions(wrapped.only(explicitTag(0)));
  const dated =
    version !== undefined || (extensions.size === 0 && entries.every((entry) => entry.extensions.size === 0));
  if (fields.length > 0 || !dated) throw incomplete();
  return {
    der,
    tbs: tbs.bytes,
    issuer: parseName(issuer),
    thisUpdate: thisUpdate.time(),
    nextUpdate: nextUpdate?.time() ?? null,
    number: numberOf(extensions),
    revoked: new Set(entries.map((entry) => entry.serial)),
    unknown: [extensions, ...entries.map((entry) => entry.extensions)].flatMap(notUnderstood),
    signatureScheme: parseSignatureAlgorithm(signatureAlgorithm),
    signature,
  };
}

function incomplete(): FormatError {
  return new FormatError('CRL: it has not the parts that a CRL has');
}

/** Takes the first of `fields` away when it is what is looked for. */
function optional(fields: DerNode[], is: (node: DerNode) => boolean): DerNode | undefined {
  const [first] = fields;
  return first !== undefined && is(first) ? fields.shift() : undefined;
}

function parseEntry(node: DerNode): { serial: string; extensions: ReadonlyMap<string, Extension> } {
  const [serial, date, extensions, ...rest] = node.children(TAG.sequence);
  if (serial === undefined || date === undefined || rest.length > 0) throw incomplete();
  date.time();
  return { serial: serialOf(serial), extensions: extensions === undefined ? new Map() : parseExtensions(extensions) };
}

function numberOf(extensions: ReadonlyMap<string, Extension>): bigint | null {
  const extension = extensions.get(CRL_NUMBER);
  return extension === undefined ? null : bigIntOf(readDer(extension.value, 'CRL number').unsigned());
}

function notUnderstood(extensions: ReadonlyMap<string, Extension>): string[] {
  return [...extensions].filter(([oid, { critical }]) => critical || OTHER_LISTS.includes(oid)).map(([oid]) => oid);
}

/**
 * What keeps `crl` from being the list of `issuer` that holds at `at` (seconds since the epoch), or null. The caller has shown
 * that `issuer` is trusted. A list whose signature was not checked is no list: it could leave out what is revoked.
 */
export async function checkCrl(crl: Crl, issuer: Certificate, at: number): Promise<string | null> {
  const of = `the CRL of "${crl.issuer.short}"`;
  if (!equalBytes(crl.issuer.der, issuer.subject.der)) return `${of} is not a list of "${issuer.subject.short}"`;
  if (issuer.keyUsage !== null && !issuer.keyUsage.has('cRLSign')) {
    return `${of} is signed by a key that may not sign CRLs`;
  }
  if (crl.unknown.length > 0) return `${of} has extensions that are not understood: ${crl.unknown[0]}`;
  const { signatureScheme: scheme } = crl;
  if (scheme.kind !== 'ed25519' && scheme.hash === 'sha1') return `${of} is signed over SHA-1, which can be forged`;
  const signature = await verifySigned(issuer.key, crl);
  if (signature === 'unsupported') return `${of} could not be checked: this engine does not support its algorithm`;
  if (signature === 'invalid') return `${of} has a signature that is not of "${issuer.subject.short}"`;
  if (crl.nextUpdate === null) return `${of} does not say until when it holds`;
  // Written so that a clock that is no number is inside no validity.
  if (!(at >= crl.thisUpdate)) return `${of} is not valid before ${utcText(crl.thisUpdate)}`;
  return at <= crl.nextUpdate ? null : `${of} expired at ${utcText(crl.nextUpdate)}`;
}

/**
 * Whether a list that {@link checkCrl} found good takes the certificate back. A list of another issuer says nothing for a
 * certificate, so under such a list it counts as revoked.
 */
export function isRevoked(crl: Crl, certificate: Certificate): boolean {
  return !equalBytes(crl.issuer.der, certificate.issuer.der) || crl.revoked.has(certificate.serial);
}
