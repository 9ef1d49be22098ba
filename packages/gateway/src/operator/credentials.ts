import { X509Certificate } from 'node:crypto';
import { digest } from '@cmcp/evidence';
import type { OperatorCertificate, OperatorConfig } from '../config/operator.ts';
import { TokenDigests } from '../identity/token-digests.ts';
import type { Presented } from '../identity/types.ts';
import type { Operator } from './route.ts';

/** Says which operator a request is of; null: of none. */
export type Recognise = (presented: Presented) => Operator | null;

/** Operators by the tokens and certificates of the configuration. */
export function recogniser({
  credentials,
  certificates,
}: Pick<OperatorConfig, 'credentials' | 'certificates'>): Recognise {
  const tokens = new TokenDigests(credentials.map((holder) => ({ sha256: holder.tokenSha256, holder })));
  return ({ headers, certificates: shown }) => {
    const leaf = shown?.[0];
    const byCertificate = leaf === undefined ? null : holderOf(certificates, leaf);
    const values = headers('authorization');
    if (values.length === 0) return byCertificate;
    const holder = values.length === 1 ? tokens.holderOf(values[0]) : null;
    if (holder === null) return null;
    const { subject, roles } = holder;
    if (byCertificate === null) return { subject, source: 'bearer', roles };
    // Whoever shows both has to be one person, and may what both say.
    if (byCertificate.subject !== subject) return null;
    return { ...byCertificate, roles: roles.filter((role) => byCertificate.roles.includes(role)) };
  };
}

function holderOf(known: readonly OperatorCertificate[], leaf: Uint8Array): Operator | null {
  const names = alternativeNames(new X509Certificate(leaf).subjectAltName ?? '');
  const print = digest(leaf);
  const found = known.filter(({ match: { kind, value } }) =>
    kind === 'san' ? names.includes(value) : value === print,
  );
  const [first] = found;
  // A certificate of two people is nobody's.
  if (first === undefined || found.some(({ subject }) => subject !== first.subject)) return null;
  const roles = first.roles.filter((role) => found.every((each) => each.roles.includes(role)));
  return { subject: first.subject, source: 'mtls', roles };
}

/** As Node writes them: separated by commas, and quoted where one holds a comma or a quote itself, so that no name hides another. */
export function alternativeNames(text: string): string[] {
  return (text.match(/(?:[^",]|"(?:[^"\\]|\\.)*")+/g) ?? []).map((name) => name.trim());
}
