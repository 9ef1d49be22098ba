import { readBase64Url } from '../bytes/base64url.ts';
import type { SignatureResult } from '../crypto/ed25519.ts';
import { type Finding, failed, notChecked, proven, required } from '../finding.ts';
import { type JsonObject, type JsonValue, member } from '../json/value.ts';
import type { Check } from '../report.ts';
import { algorithmOf, type CoseSigner } from './cose.ts';
import type { ManifestDocument } from './document.ts';
import { type ManifestAlgorithm, type ManifestKey, type SignatureHalves, verifyWith } from './keys.ts';
import { signedBytes } from './preimage.ts';
import { type Stage, stage } from './stage.ts';

/** What became of the signature of a manifest. */
export interface Signature extends Stage {
  verified: boolean;
  /** Ids of the keys that the manifest names as those that signed it, in its order. */
  keyIds: string[];
}

const PROFILE = 'Is the signature as strong as the manifest says that it must be?';
const KEY = 'Is the key one that you trust?';
const ISSUER = 'May the key sign for the issuer?';
const SIGNATURE = 'Did the key sign the manifest?';
const KEYS_FLAG = '--manifest-keys FILE';

/** Whether a trusted key signed a JSON manifest (wire-formats section 16.2). */
export async function jsonSignature(document: ManifestDocument, keys: readonly ManifestKey[]): Promise<Signature> {
  const block = document.signature ?? {};
  const keyIds = block.key_id === undefined ? [] : [block.key_id];
  const unsigned = Object.keys(block).length === 0;
  if (document.version === '0.2') return versionTwoInJson(unsigned, keyIds);
  if (unsigned) return missing('the manifest carries no signature');
  const ended = (checks: Check[], ...demands: ('UNVERIFIABLE' | 'SIGNATURE_MISSING')[]): Signature => ({
    ...stage(checks, ...demands),
    verified: false,
    keyIds,
  });
  const checks = [profileCheck(document.crypto_profile, [block.algorithm])];
  if (broken(checks)) return ended(checks);
  if (keys.length === 0) return ended([...checks, untrusted()], 'UNVERIFIABLE');
  const key = keys.find(({ id }) => id === block.key_id);
  checks.push(keyCheck(key, block.key_id, block.algorithm));
  if (key === undefined || broken(checks)) return ended(checks);
  // A key that may not sign for the issuer is not used at all.
  checks.push(...issuerStage(document, [key.id], keys).checks);
  if (broken(checks)) return ended(checks);
  const halves = halvesOf(block, key.algorithm);
  const result = halves === null ? 'invalid' : await verifyWith(key, halves, signedBytes(document));
  checks.push(signatureCheck(result, key.source));
  return {
    ...stage(checks, ...(result === 'unsupported' ? (['UNVERIFIABLE'] as const) : [])),
    verified: result === 'valid',
    keyIds,
  };
}

/** Whether trusted keys made every signature of an envelope (wire-formats section 16.3). Whom they may sign for: {@link issuerStage}. */
export async function coseSignature(
  payload: JsonObject,
  signers: readonly CoseSigner[],
  keys: readonly ManifestKey[],
): Promise<Signature> {
  const keyIds = signers.map(({ keyId }) => keyId);
  const algorithms = signers.map(({ algorithm }) => algorithmOf(algorithm));
  const checks = [profileCheck(member(payload, 'crypto_profile'), algorithms)];
  if (broken(checks)) return { ...stage(checks), verified: false, keyIds };
  if (keys.length === 0) return { ...stage([...checks, untrusted()], 'UNVERIFIABLE'), verified: false, keyIds };
  const results: SignatureResult[] = [];
  for (const [i, { keyId, signature, signed }] of signers.entries()) {
    const key = keys.find(({ id }) => id === keyId);
    const keyFound = keyCheck(key, keyId, algorithms[i] ?? undefined);
    checks.push(keyFound);
    if (key === undefined || keyFound.outcome === 'failed') return { ...stage(checks), verified: false, keyIds };
    const result = await verifyWith(key, { classical: signature, pq: signature }, signed);
    results.push(result);
    checks.push(signatureCheck(result, key.source));
  }
  const verified = results.every((result) => result === 'valid');
  return {
    ...stage(checks, ...(results.includes('unsupported') ? (['UNVERIFIABLE'] as const) : [])),
    verified,
    keyIds,
  };
}

/** Whether each of the keys may sign for the issuer. Asked only where the relying party tied keys to issuers. */
export function issuerStage(
  { issuer }: ManifestDocument,
  keyIds: readonly string[],
  keys: readonly ManifestKey[],
): Stage {
  if (keys.every(({ issuers }) => issuers === undefined)) return stage([]);
  const checks = keyIds.map((keyId) => {
    const key = keys.find(({ id }) => id === keyId);
    const allowed = issuer !== undefined && key?.issuers?.includes(issuer) === true;
    const finding = allowed
      ? proven(`${keyId} may sign for ${issuer}`, key?.source ?? null)
      : failed(`${keyId} may not sign for ${issuer ?? 'a manifest without issuer'}`, key?.source ?? null);
    return required('manifest.issuer', ISSUER, finding);
  });
  return stage(checks);
}

function versionTwoInJson(unsigned: boolean, keyIds: string[]): Signature {
  const envelope = 'a version 0.2 manifest is signed by the COSE envelope around it';
  if (unsigned) return missing(`this is bare JSON, and ${envelope}`);
  const check = required(
    'manifest.signature',
    SIGNATURE,
    failed(`the manifest has a signature block, but ${envelope}`),
  );
  return { ...stage([check]), verified: false, keyIds };
}

function missing(why: string): Signature {
  const check = required('manifest.signature', SIGNATURE, notChecked(why, 'a signed manifest'));
  return { ...stage([check], 'SIGNATURE_MISSING'), verified: false, keyIds: [] };
}

/** The algorithm is not covered by a detached signature, the profile is: so the profile decides. */
function profileCheck(profile: JsonValue = 'standard', used: readonly (string | null | undefined)[]): Check {
  const strong = used.some((name) => name === 'ML-DSA-65' || name === 'hybrid-Ed25519-ML-DSA-65');
  const unknown = used.some((name) => name === null || name === undefined);
  const names = used.join(' and ');
  const finding = unknown
    ? failed('the manifest is signed with no algorithm that is known')
    : profile === 'post-quantum' && !strong
      ? failed(`the manifest asks for post-quantum signatures and is signed with ${names}`)
      : proven(`${names} is what the profile ${profile} allows`);
  return required('manifest.profile', PROFILE, finding);
}

function untrusted(): Check {
  return required('manifest.key', KEY, notChecked('no trusted key was given', KEYS_FLAG));
}

function keyCheck(key: ManifestKey | undefined, keyId: string | undefined, algorithm: string | undefined): Check {
  return required('manifest.key', KEY, keyFinding(key, keyId, algorithm));
}

function keyFinding(key: ManifestKey | undefined, keyId: string | undefined, algorithm: string | undefined): Finding {
  if (key === undefined) return failed(`the key ${keyId ?? '(not named)'} is not among the trusted keys`);
  if (key.algorithm !== algorithm)
    return failed(`${key.id} is a key for ${key.algorithm}, not for ${algorithm}`, key.source);
  return proven(`${key.id} is a trusted key`, key.source);
}

function signatureCheck(result: SignatureResult, source: string): Check {
  const finding =
    result === 'unsupported'
      ? notChecked('this engine has no Ed25519 in WebCrypto', 'another engine')
      : result === 'valid'
        ? proven('the signature over the manifest is valid', source)
        : failed('the signature over the manifest is not valid', source);
  return required('manifest.signature', SIGNATURE, finding);
}

/** The signature bytes of a block: those that its key's algorithm has, and no other; null when they are not there or not strict base64url. */
function halvesOf(
  block: NonNullable<ManifestDocument['signature']>,
  algorithm: ManifestAlgorithm,
): SignatureHalves | null {
  const hybrid = algorithm === 'hybrid-Ed25519-ML-DSA-65';
  const classical = readBase64Url((hybrid ? block.classical_signature : block.signature_value) ?? '');
  const pq = readBase64Url((hybrid ? block.pq_signature : block.signature_value) ?? '');
  return classical === null || pq === null ? null : { classical, pq };
}

function broken(checks: readonly Check[]): boolean {
  return checks.some(({ outcome }) => outcome === 'failed');
}
