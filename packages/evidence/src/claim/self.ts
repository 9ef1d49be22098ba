import { decodeBase64Url } from '../bytes/base64url.ts';
import { equalBytes } from '../bytes/equal.ts';
import { decodeHex } from '../bytes/hex.ts';
import { EncodingError } from '../bytes/utf8.ts';
import { isAcceptableKeyText, type SignatureResult, verifyEd25519 } from '../crypto/ed25519.ts';
import { sha256 } from '../crypto/sha256.ts';
import { type Finding, failed, notChecked, proven, provenUnless } from '../finding.ts';
import { claimPreimage } from './hash.ts';
import { jwkThumbprint, keyId, keySubject } from './key.ts';
import type { WireClaim } from './wire.ts';

const ZERO_MEASUREMENT = `sha256:${'0'.repeat(64)}`;

/** Whether the key that the claim names signed it. */
export async function claimSignature(claim: WireClaim): Promise<Finding> {
  const { x } = claim.trace.cnf.jwk;
  return signatureFinding(
    await verifyEd25519(x, claim.signature, claimPreimage(claim)),
    'the claim',
    'the key in the claim',
  );
}

/** The finding of a signature check over `what`. */
export function signatureFinding(result: SignatureResult, what: string, against: string): Finding {
  if (result === 'unsupported') return notChecked('this engine has no Ed25519 in WebCrypto', 'another engine');
  return provenUnless(
    result === 'invalid' ? `the signature over ${what} is not valid under ${against}` : null,
    `${against} signed ${what}`,
    against,
  );
}

/** Whether the names that the claim gives its key follow from the key. */
export function keyNames(claim: WireClaim): Finding {
  const { x, kid } = claim.trace.cnf.jwk;
  if (!isAcceptableKeyText(x)) return failed('the key in the claim is not a valid Ed25519 public key');
  if (kid !== keyId(x)) return failed('the kid of the claim is not the one of its key');
  if (claim.trace.subject !== keySubject(x)) return failed('the subject of the claim is not the one of its key');
  return proven('kid and subject follow from the key');
}

/** Whether the claim says of its platform what a session on that platform says. */
export function platformSelf(claim: WireClaim): Finding {
  const { platform, measurement, firmware_version } = claim.trace.runtime;
  if (platform !== 'software-only') return proven(`the claim names the platform ${platform}`);
  if (measurement !== ZERO_MEASUREMENT)
    return failed('a software session has no platform measurement, this claim names one');
  if (firmware_version !== 'software-only-dev-mode') return failed('a software claim must say software-only-dev-mode');
  if (claim.gateway.attestation_evidence !== undefined) return failed('a software claim carries hardware evidence');
  return proven('the claim says plainly that a software key signed it');
}

/** Whether the nonce that hardware evidence answers to names this key and this chain (wire-formats section 10). */
export function nonceBinding(claim: WireClaim): Finding {
  const { nonce } = claim.trace.runtime;
  if (nonce === undefined) return notChecked('a software claim has no nonce');
  if (!isAcceptableKeyText(claim.trace.cnf.jwk.x))
    return failed('the key in the claim is not a valid Ed25519 public key');
  const bytes = decodedNonce(nonce);
  if (bytes === null) return failed('the nonce is not base64url of 64 bytes');
  const keyBound = equalBytes(bytes.subarray(0, 32), jwkThumbprint(claim.trace.cnf.jwk.x));
  const rootBound = equalBytes(bytes.subarray(32), sha256(decodeHex(claim.gateway.audit_chain.root)));
  if (!keyBound) return failed('the nonce does not name the key of the claim');
  return provenUnless(
    rootBound ? null : 'the nonce does not name the chain of the claim',
    'the nonce names key and chain',
  );
}

function decodedNonce(nonce: string): Uint8Array | null {
  try {
    const bytes = decodeBase64Url(nonce);
    return bytes.length === 64 ? bytes : null;
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}

/** Whether the claim's place in the gateway's row of claims is possible: the first has no predecessor, all others have one. */
export function claimNumber(claim: WireClaim, ours: boolean): Finding {
  const { sequence_number, prev_claim_hash } = claim.gateway;
  if (!ours) return notChecked('the reference numbers claims per process and may leave the link out');
  const linked = prev_claim_hash !== undefined;
  const problem =
    linked === sequence_number > 1 ? null : `claim ${sequence_number} ${linked ? 'names' : 'lacks'} a predecessor`;
  return provenUnless(
    problem,
    linked ? `claim ${sequence_number} names its predecessor` : 'the first claim of its store',
  );
}
