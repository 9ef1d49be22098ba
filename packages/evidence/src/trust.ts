import { isAcceptableKeyText } from './crypto/ed25519.ts';
import { type Expectations, sameDigest, type TrustedKey } from './expectations.ts';
import { asserted, type Finding, failed, informative, proven, provenUnless, required } from './finding.ts';
import type { HardwareStanding } from './hardware/session/standing.ts';
import type { Check } from './report.ts';

/** The pin that trusts the key `x`, or null. Trust comes from the expectations only, never from a file. */
export function pinOf(x: string, keys: readonly TrustedKey[]): TrustedKey | null {
  // Key texts are compared: only one text of a key is ever accepted, by the checks that use it.
  return isAcceptableKeyText(x) ? (keys.find((key) => key.x === x) ?? null) : null;
}

/** A key that signed, and on what its trust may rest. */
export interface SigningKey {
  /** Raw Ed25519 public key, base64url. */
  x: string;
  kid: string;
  /** No hardware stands behind it. */
  software: boolean;
}

/**
 * Whether the key that signed is one that the relying party trusts, by its pin or because accepted hardware names it.
 * Nothing but a pin stands behind a software key, whatever was relaxed. `olderKeyPinned`: the chain was recovered from a process
 * whose key is pinned.
 */
export function trustedKey(
  { x, kid, software }: SigningKey,
  keys: readonly TrustedKey[],
  { namesKey }: Pick<HardwareStanding, 'namesKey'>,
  olderKeyPinned: boolean,
): Finding {
  if (namesKey)
    return proven(`${kid} is the key that the evidence of the hardware names`, 'the evidence of the hardware');
  const pin = pinOf(x, keys);
  if (pin !== null) return proven(`${kid} is a trusted key`, pin.source);
  if (olderKeyPinned)
    return asserted(`${kid} took the session over from a trusted key, and is not trusted itself`, '--key FILE');
  const named = keys.filter((key) => key.remembered !== true);
  if (named.length === 0 && !software)
    return asserted(`${kid} is as good as the evidence of hardware that names it, which is not accepted`);
  if (named.length === 0)
    return asserted(`anyone can make a key such as ${kid}, and no trusted key was given`, '--key FILE');
  return failed(`${kid} is not among the trusted keys`, [...new Set(named.map((key) => key.source))].join(', '));
}

/** What a program says that it is governed by. */
export interface Governance {
  /** Who says so: `the claim`. */
  speaker: string;
  /** What runs under it: `the session ran`. */
  running: string;
  policyHash: string;
  catalogHash: string;
  /** `enforcing`, or a mode that is not. */
  mode: string;
}

type ProgramStanding = Pick<HardwareStanding, 'provesCode' | 'withoutHardware'>;

/** Whether policy, catalog and mode are those that the relying party approved. */
export function approvals(said: Governance, expectations: Expectations, standing: ProgramStanding): Check[] {
  const { policyHash, catalogHash } = expectations;
  const byProgram = (finding: Finding): Finding => asProgramSaid(finding, standing);
  const policyPin = byProgram(pinned(said.speaker, said.policyHash, policyHash, '--policy-hash sha256:…'));
  const catalogPin = byProgram(pinned(said.speaker, said.catalogHash, catalogHash, '--catalog-hash sha256:…'));
  const askPolicy = expectations.unpinnedPolicy === true ? informative : required;
  const askCatalog = expectations.unpinnedCatalog === true ? informative : required;
  return [
    askPolicy('policy.hash', 'Was the policy the approved one?', policyPin),
    askCatalog('catalog.hash', 'Was the catalog the approved one?', catalogPin),
    required('policy.mode', 'Were denials enforced?', byProgram(mode(said, expectations))),
  ];
}

/**
 * What a program on a genuine platform wrote is the word of that program, unless the measured state covers its code (contracts
 * section 4). Without hardware the pinned key is the relying party's own word for the program.
 */
function asProgramSaid(finding: Finding, { provesCode, withoutHardware }: ProgramStanding): Finding {
  if (finding.outcome !== 'proven' || provesCode || withoutHardware) return finding;
  return asserted(`${finding.detail}, says a program that is not shown to be the gateway`);
}

/** Whether a digest that `speaker` names is the approved one; `flag` gives the approved one. */
function pinned(speaker: string, claimed: string, expected: string | undefined, flag: string): Finding {
  const said = `${speaker} says ${claimed}`;
  if (expected === undefined) return asserted(`${said}; no approved value was given`, flag);
  return provenUnless(sameDigest(claimed, expected) ? null : said, claimed, expected);
}

function mode({ running, mode: claimed }: Governance, { allowModes = [] }: Expectations): Finding {
  if (claimed === 'enforcing') return proven(`${running} in enforcing mode`, 'enforcing');
  const allowed = allowModes.find((name) => name === claimed);
  if (allowed !== undefined)
    return proven(`${running} in ${allowed} mode, which was allowed`, `--allow-mode ${allowed}`);
  const remedy = claimed === 'declared' ? null : `--allow-mode ${claimed}`;
  return asserted(`${running} in ${claimed} mode: calls that policy denied went through`, remedy);
}

/** Whether answers were inspected by the rules that the relying party expects; `said` null: session_start names none. */
export function rulesFinding(said: string | null, expected: string, standing: ProgramStanding): Finding {
  if (said === null) return asserted('session_start names no inspection rules');
  return asProgramSaid(pinned('session_start', said, expected, '--rules-hash sha256:…'), standing);
}

/**
 * Whether the gateway that ran is the one that the relying party expects. What it says of itself must agree; that it is so follows
 * from proven code only, or where there is no hardware from the relying party's own word.
 *
 * @param said what the gateway says that it measured; null when it says nothing
 */
export function gatewayFinding(
  speaker: string,
  said: string | null,
  expected: string,
  { launch, provesCode, withoutHardware }: Pick<HardwareStanding, 'launch' | 'provesCode' | 'withoutHardware'>,
): Finding {
  if (said === null) return asserted(`${speaker} names no gateway measurement`);
  if (!sameDigest(said, expected)) return failed(`${speaker} says ${said}`, expected);
  if (launch?.outcome === 'failed') return launch;
  const recorded = launch?.outcome === 'proven';
  if (provesCode || (withoutHardware && (launch === null || recorded)))
    return proven(`${speaker} says so${recorded ? `, and ${launch.detail}` : ''}`, expected);
  const why = recorded ? `${launch.detail}; which boot chain recorded it is not shown` : launch?.detail;
  return asserted(`${speaker} says so; ${why ?? 'nothing else shows it'}`, recorded ? null : (launch?.remedy ?? null));
}
