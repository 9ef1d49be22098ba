import { type PublicKey, parseSpki, samePublicKey, spkiOf } from '../../crypto/key.ts';
import { leafOf } from '../../crypto/leaf.ts';
import { readPem } from '../../crypto/pem.ts';
import { sha256Hex } from '../../crypto/sha256.ts';
import { readCertificates } from '../../crypto/x509.ts';
import { asserted, type Finding, notChecked, proven, provenUnless } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { fileOf, reading } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import { authenticity, type EvidenceCheck, remark, type TrustedRoot } from '../verdict.ts';
import { akCertificateProblem, ekCertificateProblem, isSoftwareTpm, type TpmDevice, tpmDevice } from './certificate.ts';
import { chainTo, holdsByItself, softwareRoot, type TpmRoots, type Trust, tpmRoots } from './chain-trust.ts';
import { attestationKeyProblem, parsePublic, type TpmPublic } from './public-area.ts';
import type { AttestSigner } from './verify.ts';

/** The key that should have signed, and what vouches for it: a key that was presented is not yet trusted, see `checks`. */
export interface AttestationKey extends AttestSigner {
  root: TrustedRoot | null;
  checks: EvidenceCheck[];
}

/**
 * Finds the attestation key and what vouches for it (attestation.md sections 2.2, 2.6): an AK certificate chain to a root of the
 * relying party, or a pinned key: `given.trustedAk`, or the role `ak` when there is no chain. A pin is as good as its source.
 * A key that the evidence only presents (`ak_public`) is never trusted.
 *
 * @throws FormatError
 */
export async function attestationKey(files: EvidenceFiles, given: EvidenceGiven): Promise<AttestationKey> {
  const roots = tpmRoots(files, given);
  const chain = read(files, 'ak_chain', readCertificates);
  const leaf = chain === null ? null : leafOf(chain, 'ak_chain');
  const area = read(files, 'ak_public', parsePublic);
  const presented = read(files, 'ak', readPublicKey);
  const trusted = given.trustedAk === undefined ? null : parseSpki(given.trustedAk);
  const pin = trusted ?? (leaf === null ? presented : null);
  const byChain = chain === null ? null : await chainTo(chain, roots, akCertificateProblem);
  const trust = pin === null ? (byChain ?? NOTHING) : pinned(pin, trusted !== null, byChain);
  const named = { trusted, ak: presented, ak_chain: leaf?.key ?? null, ak_public: area?.key ?? null };
  const ek = await ekCheck(fileOf(files, 'ek_chain'), roots);
  const devices = [leaf === null ? null : tpmDevice(leaf), ek.device];
  return {
    key: pin ?? leaf?.key ?? area?.key ?? null,
    area,
    root: trust.root !== null && devices.some(isSoftwareTpm) ? softwareRoot(trust.root) : trust.root,
    weakChain: trust.weak,
    checks: [
      authenticity('tpm.ak', 'Is the attestation key one that is trusted?', trust.finding),
      ...oneKey(named),
      attributes(area),
      ...ek.checks,
      ...(fileOf(files, 'ak_transcript') === undefined ? [] : [transcript()]),
    ],
  };
}

function read<T>(files: EvidenceFiles, role: string, parse: (bytes: Uint8Array<ArrayBuffer>) => T): T | null {
  const bytes = fileOf(files, role);
  return bytes === undefined ? null : parse(bytes);
}

/** Nothing vouches for the key. */
const NOTHING: Trust = {
  finding: notChecked(
    'nothing vouches for the attestation key, and a quote by such a key proves nothing about a TPM',
    'the AK certificate chain (role ak_chain) and its root, or the public key itself if you know it (role ak)',
  ),
  root: null,
  weak: false,
};

/** A pin needs no chain; one that leads to a root says more than the pin. */
function pinned(key: PublicKey, byGiven: boolean, byChain: Trust | null): Trust {
  if (byChain !== null && byChain.root !== null) return byChain;
  const fingerprint = sha256Hex(spkiOf(key));
  const beside = byChain === null ? '' : `; its certificates do not say more (${byChain.finding.detail})`;
  return {
    finding: proven(
      `the attestation key is the one that was pinned: that is as good as the source of the pin${beside}`,
      `${byGiven ? 'the trusted AK' : 'role ak'} (SHA-256 of its SPKI ${fingerprint})`,
    ),
    root: { name: 'pinned attestation key', fingerprint, source: 'key', assurance: 'unknown' },
    weak: false,
  };
}

/** Every key that was given as the attestation key must be the same one. */
function oneKey(named: Record<string, PublicKey | null>): EvidenceCheck[] {
  const keys = Object.entries(named).flatMap(([name, key]) => (key === null ? [] : [{ name, key }]));
  const [first, ...others] = keys;
  if (first === undefined || others.length === 0) return [];
  const other = others.find(({ key }) => !samePublicKey(first.key, key));
  const problem = other === undefined ? null : `the key in ${other.name} is another than that in ${first.name}`;
  const names = keys.map(({ name }) => name).join(', ');
  return [
    authenticity(
      'tpm.ak_same',
      'Do all parts name the same attestation key?',
      provenUnless(problem, `the key is the same in ${names}`),
    ),
  ];
}

/** Only a restricted key that the TPM made and keeps signs nothing but what the TPM itself says. */
function attributes(area: TpmPublic | null): EvidenceCheck {
  const id = 'tpm.ak_attributes';
  const title = 'Can the attestation key sign nothing but what the TPM says?';
  if (area === null) {
    return remark('authentic', id, title, notChecked('no public area was given: only who vouches for the key says so'));
  }
  const sound = 'the key is restricted, made by the TPM and bound to it';
  return authenticity(id, title, provenUnless(attestationKeyProblem(area), sound));
}

/** The EK says which TPM this is; that the attestation key is in it is said by who issued the AK certificate. */
async function ekCheck(
  bytes: Uint8Array<ArrayBuffer> | undefined,
  roots: TpmRoots,
): Promise<{ checks: EvidenceCheck[]; device: TpmDevice | null }> {
  if (bytes === undefined) return { checks: [], device: null };
  const answer = (finding: Finding): EvidenceCheck =>
    remark('authentic', 'tpm.ek_chain', 'Is the endorsement key one that its maker vouches for?', finding);
  const read = reading(() => {
    const chain = readCertificates(bytes);
    return { chain, device: tpmDevice(leafOf(chain, 'ek_chain')) };
  });
  // Makers write EK certificates in forms that nothing else has. Nothing rests on them.
  if (read.value === null) return { checks: [answer(notChecked(`it cannot be read: ${read.problem}`))], device: null };
  const { chain, device } = read.value;
  const { finding } = await chainTo(chain, roots, ekCertificateProblem);
  const unknownRoot = finding.outcome === 'failed' && (await holdsByItself(chain, roots.at, ekCertificateProblem));
  const detail = `${finding.detail} (it does not say that the attestation key is in this TPM)`;
  return { checks: [answer(unknownRoot ? notChecked(detail) : { ...finding, detail })], device };
}

function transcript(): EvidenceCheck {
  return remark(
    'authentic',
    'tpm.ak_transcript',
    'Was the attestation key enrolled by credential activation?',
    asserted('a transcript says so; only a certificate by an enroller whose key you trust proves it'),
  );
}

/** A public key: PEM (PUBLIC KEY), or DER of a SubjectPublicKeyInfo. @throws FormatError */
export function readPublicKey(bytes: Uint8Array<ArrayBuffer>): PublicKey {
  if (bytes[0] === 0x30) return parseSpki(bytes);
  const [block, ...rest] = readPem(bytes);
  if (block === undefined || rest.length > 0 || block.label !== 'PUBLIC KEY') {
    throw new FormatError('public key: one PEM block PUBLIC KEY was expected');
  }
  return parseSpki(block.der);
}
