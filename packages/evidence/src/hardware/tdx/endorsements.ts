import { type Certificate, readCertificates } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { utcText } from '../../time.ts';
import { type Reading, reading } from '../files.ts';
import type { TrustAnchor } from '../given.ts';
import { intelChain } from './chain.ts';
import { p256Signature } from './p256.ts';
import type { Validity } from './pcs.ts';
import type { SignedJson } from './signed-json.ts';

/** A document of Intel about many platforms: what it says when it holds for this one, who signed it, and what was found. */
export interface Endorsement<T> {
  /** null unless proven: nothing is concluded from a document that is not. */
  value: T | null;
  signer: Certificate | null;
  finding: Finding;
}

/** How one kind of document is read and judged. */
export interface EndorsementKind<T> {
  /** As the answer names it, e.g. `the TCB info`. */
  name: string;
  /** Roles of the document and of its chain, for remedies. */
  role: string;
  chainRole: string;
  /** @throws FormatError */
  parse: (body: Uint8Array<ArrayBuffer>) => T;
  /** What makes it a document about something else than this quote, or null. */
  misfit: (value: T) => string | null;
}

/** Whom to believe, and when: the root at which the PCK chain of the quote ends, or null when it ends at none. */
export interface Endorser {
  anchor: TrustAnchor | null;
  at: number;
}

const SIGNER = 'Intel SGX TCB Signing';

/**
 * Whether Intel signed a document, stands by it now, and speaks of this platform: chain of the signer to the root of the quote, the
 * signature over the text as received, its dates, then what it is about.
 */
export async function endorsement<T extends { validity: Validity }>(
  document: Reading<SignedJson> | null,
  chain: Uint8Array<ArrayBuffer> | undefined,
  kind: EndorsementKind<T>,
  endorser: Endorser,
): Promise<Endorsement<T>> {
  const without = (finding: Finding): Endorsement<T> => ({ value: null, signer: null, finding });
  if (document === null) return without(notChecked(`${kind.name} was not supplied`, `the file of role ${kind.role}`));
  if (document.problem !== null) return without(failed(document.problem));
  const signer = await trustedSigner(chain, kind, endorser);
  if (!('key' in signer)) return without(signer);
  const { body, signature } = document.value;
  const signed = await p256Signature(signer.key, signature, body, { by: SIGNER, what: kind.name });
  if (signed.outcome !== 'proven') return without(signed);
  const read = reading(() => kind.parse(body));
  if (read.problem !== null) return without(failed(read.problem));
  const problem = staleness(kind.name, read.value.validity, endorser.at) ?? kind.misfit(read.value);
  if (problem !== null) return without(failed(problem));
  const until = utcText(read.value.validity.nextUpdate);
  const detail = `${kind.name} is signed, is about this platform, and is good until ${until}`;
  return { value: read.value, signer, finding: proven(detail, endorser.anchor?.name ?? null) };
}

/** The certificate that signs such documents, when it leads to the root; else what was found instead. */
async function trustedSigner<T>(
  chain: Uint8Array<ArrayBuffer> | undefined,
  { name, chainRole }: EndorsementKind<T>,
  { anchor, at }: Endorser,
): Promise<Certificate | Finding> {
  if (chain === undefined) return notChecked(`who signed ${name} was not supplied`, `the file of role ${chainRole}`);
  if (anchor === null) return notChecked(`${name} cannot be checked without a PCK chain to a trusted root`);
  const read = reading(() => readCertificates(chain));
  if (read.problem !== null) return failed(`the chain of ${name}: ${read.problem}`);
  // Other certificates under this root belong to platforms: their keys must not speak for Intel.
  const signer = read.value.find(({ subject }) => subject.commonName === SIGNER);
  if (signer === undefined) return failed(`none of the certificates with ${name} is of ${SIGNER}`);
  const built = await intelChain(`the chain of ${name}`, signer, read.value, { anchors: [anchor], at });
  if (!('path' in built)) return built;
  return built.path.length === 2 ? signer : failed(`the root did not issue the certificate that signed ${name}`);
}

function staleness(name: string, { issued, nextUpdate }: Validity, at: number): string | null {
  if (at < issued) return `${name} is of ${utcText(issued)}, which has not come yet`;
  return at < nextUpdate ? null : `${name} was to be renewed by ${utcText(nextUpdate)}`;
}
