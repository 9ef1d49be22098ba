import type { WireClaim } from './claim/wire.ts';
import { isAcceptableKeyText } from './crypto/ed25519.ts';
import { type Expectations, sameDigest, type TrustedKey } from './expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, provenUnless, required } from './finding.ts';
import type { Check } from './report.ts';

/** The pin that trusts the key `x`, or null. Trust comes from the expectations only, never from a file. */
export function pinOf(x: string, keys: readonly TrustedKey[]): TrustedKey | null {
  // Key texts are compared: only one text of a key is ever accepted, by the checks that use it.
  return isAcceptableKeyText(x) ? (keys.find((key) => key.x === x) ?? null) : null;
}

/**
 * Whether the key that signed the claim is one that the relying party trusts. Nothing else stands behind a software key, so
 * it is required whatever was relaxed. `olderKeyPinned`: the chain was recovered from a process whose key is pinned.
 */
export function pinnedKey(claim: WireClaim, keys: readonly TrustedKey[], olderKeyPinned: boolean): Finding {
  const { x, kid } = claim.trace.cnf.jwk;
  const pin = pinOf(x, keys);
  if (pin !== null) return proven(`${kid} is a trusted key`, pin.source);
  if (keys.length === 0)
    return asserted(`anyone can make a key such as ${kid}, and no trusted key was given`, '--key FILE');
  if (olderKeyPinned)
    return asserted(`${kid} took the session over from a trusted key, and is not trusted itself`, '--key FILE');
  return failed(`${kid} is not among the trusted keys`, keys.map((key) => key.source).join(', '));
}

/** The checks that depend on what the platform is: evidence and measurement. This version reads no hardware evidence. */
export function hardware(claim: WireClaim, expectations: Expectations): Check[] {
  const { platform, measurement } = claim.trace.runtime;
  const ask = platform === 'software-only' && expectations.acceptSoftware === true ? informative : required;
  return [
    ask('hardware.evidence', 'Does genuine hardware vouch for the key and the chain?', evidence(platform)),
    ask(
      'hardware.measurement',
      'Is the platform in the measured state that was expected?',
      measured(platform, measurement, expectations),
    ),
  ];
}

function evidence(platform: string): Finding {
  if (platform === 'software-only') {
    return asserted(
      'no: a software key signed, in memory that whoever controlled the machine could read',
      '--accept-software',
    );
  }
  return notChecked(
    `the claim names ${platform}; this version reads no hardware evidence`,
    'a version that reads this evidence',
  );
}

function measured(platform: string, measurement: string, { measurement: expected }: Expectations): Finding {
  if (expected !== undefined && expected !== measurement) return failed(`the claim says ${measurement}`, expected);
  if (platform === 'software-only') return asserted('a software session has no measured platform', '--accept-software');
  const remedy = expected === undefined ? '--measurement DIGEST' : 'a version that reads this evidence';
  return notChecked('the measurement in the claim was not compared with evidence', remedy);
}

/** Whether policy, catalog and mode are those that the relying party approved. */
export function approvals(claim: WireClaim, expectations: Expectations): Check[] {
  const { policy } = claim.trace;
  const policyPin = pinned(policy.bundle_hash, expectations.policyHash, '--policy-hash sha256:…');
  const catalogPin = pinned(claim.gateway.catalog.hash, expectations.catalogHash, '--catalog-hash sha256:…');
  const askPolicy = expectations.unpinnedPolicy === true ? informative : required;
  const askCatalog = expectations.unpinnedCatalog === true ? informative : required;
  return [
    askPolicy('policy.hash', 'Was the policy the approved one?', policyPin),
    askCatalog('catalog.hash', 'Was the catalog the approved one?', catalogPin),
    required('policy.mode', 'Were denials enforced?', mode(policy.enforcement_mode, expectations)),
  ];
}

function pinned(claimed: string, expected: string | undefined, flag: string): Finding {
  if (expected === undefined) return asserted(`the claim says ${claimed}; no approved value was given`, flag);
  return provenUnless(sameDigest(claimed, expected) ? null : `the claim says ${claimed}`, claimed, expected);
}

function mode(claimed: string, { allowModes = [] }: Expectations): Finding {
  if (claimed === 'enforce') return proven('the session ran in enforcing mode', 'enforcing');
  const allowed = allowModes.find((name) => name === claimed);
  if (allowed !== undefined)
    return proven(`the session ran in ${allowed} mode, which was allowed`, `--allow-mode ${allowed}`);
  const remedy = claimed === 'declared' ? null : `--allow-mode ${claimed}`;
  return asserted(`the session ran in ${claimed} mode: calls that policy denied went through`, remedy);
}
