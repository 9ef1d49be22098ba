import { equalBytes } from '../../bytes/equal.ts';
import { decodeHex, encodeHex } from '../../bytes/hex.ts';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { sha256 } from '../../crypto/sha256.ts';
import { asserted, type Finding, failed, notChecked, proven, provenUnless } from '../../finding.ts';
import { acceptability, authenticity, type EvidenceCheck, remark } from '../verdict.ts';
import type { Challenge } from './challenge.ts';
import { gatewayDigest, type NvEnvelope } from './nv-envelope.ts';
import { type AttestSigner, attestSignature } from './verify.ts';

const LABEL = encodeUtf8('cmcp-nv-certify-v1');

/**
 * Verifies that a gateway's measurement of itself was extended into an NV index between two certifications by the attestation key.
 * That shows the step, and nothing about code: whoever is root can make the same one (attestation.md section 9.2). What fails is
 * named as the reference names it.
 *
 * @param signer who should have signed; whether it is to be trusted is another question
 */
export async function nvCertifyChecks(
  envelope: NvEnvelope,
  signer: AttestSigner,
  challenges: readonly Challenge[],
): Promise<EvidenceCheck[]> {
  const word = asserted(
    'continuity only: the program measured itself, and the index shows that the step was made, not who made it',
  );
  return [
    authenticity('tpm-nv.signatures', 'Did the attestation key sign both?', await signatures(envelope, signer)),
    acceptability('tpm-nv.algorithms', 'Are all algorithms acceptable?', algorithms(envelope, signer.weakChain)),
    freshness(envelope, challenges),
    authenticity('tpm-nv.index_identity', 'Do both speak of one index?', index(envelope)),
    authenticity('tpm-nv.gateway_digest', 'Is the digest that of the components?', digest(envelope)),
    authenticity('tpm-nv.extend_relation', 'Was the index extended by that digest?', extended(envelope)),
    remark('acceptable', 'tpm-nv.code', 'Is the program the one that was measured?', word),
  ];
}

/** What extraData of a certification must be: a hash over the nonce and which of the two it is. */
export function nvQualifyingData(nonce: Uint8Array, phase: 'pre' | 'post'): Uint8Array<ArrayBuffer> {
  return sha256(Uint8Array.of(...LABEL, ...withLength(nonce), ...withLength(encodeUtf8(phase))));
}

async function signatures({ pre, post }: NvEnvelope, signer: AttestSigner): Promise<Finding> {
  for (const { attest, signature } of [pre, post]) {
    const finding = await attestSignature(attest.signed, signature, signer);
    if (finding.outcome === 'failed') return failed(`signature_invalid: ${finding.detail}`);
    if (finding.outcome !== 'proven') return finding;
  }
  return proven('the attestation key signed both certifications');
}

function algorithms({ pre, post }: NvEnvelope, weakChain: boolean): Finding {
  const sha1 = weakChain || [pre, post].some(({ signature }) => signature.hash === 'sha1');
  return provenUnless(sha1 ? 'something is signed with SHA-1' : null, 'nothing is signed with SHA-1');
}

function freshness({ pre, post }: NvEnvelope, challenges: readonly Challenge[]): EvidenceCheck {
  const id = 'tpm-nv.freshness';
  const title = 'Do both answer the challenge?';
  if (challenges.length === 0) {
    return remark('acceptable', id, title, notChecked('no challenge was given, so they may be old'));
  }
  const unreadable = challenges.find(({ problem }) => problem !== null);
  if (unreadable !== undefined) {
    return acceptability(id, title, failed(`the ${unreadable.name} cannot be read: ${unreadable.problem}`));
  }
  const answer = (phase: 'pre' | 'post', extraData: Uint8Array): boolean =>
    challenges.every(({ value }) => value.length > 0 && equalBytes(extraData, nvQualifyingData(value, phase)));
  const problem = !answer('pre', pre.attest.extraData)
    ? 'pre_binding_mismatch: the certification before answers another challenge'
    : !answer('post', post.attest.extraData)
      ? 'post_binding_mismatch: the certification after answers another challenge'
      : null;
  const against = challenges.map(({ name, value }) => `${name} ${encodeHex(value)}`).join(', ');
  return acceptability(id, title, provenUnless(problem, 'both answer the challenge', against));
}

/** The name of an index changes with its attributes and policy, so an index made anew in another way has another name. */
function index({ pre, post }: NvEnvelope): Finding {
  const same = pre.attest.indexName === post.attest.indexName;
  const problem = same ? null : 'index_mismatch: the two certifications speak of different indexes';
  return provenUnless(problem, `both speak of the index with the name ${pre.attest.indexName}`);
}

function digest({ components, gatewayDigest: stated }: NvEnvelope): Finding {
  const problem =
    gatewayDigest(components) === stated ? null : 'gateway_digest_mismatch: it is not that of the components';
  return provenUnless(problem, `the digest of the components is ${stated}`);
}

function extended({ pre, post, gatewayDigest: added }: NvEnvelope): Finding {
  const expected = sha256(Uint8Array.of(...pre.attest.contents, ...decodeHex(added)));
  const problem = equalBytes(expected, post.attest.contents)
    ? null
    : 'extend_relation_broken: what the index holds after is not what it held before, extended by the digest';
  return provenUnless(problem, 'the index was extended once, by the digest');
}

/** With a 32-bit length in front. */
function withLength(bytes: Uint8Array): number[] {
  const { length } = bytes;
  return [length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff, ...bytes];
}
