import type { Expectations } from '../../expectations.ts';
import { asserted, type Finding, notChecked, proven } from '../../finding.ts';
import type { TrustedRoot } from '../verdict.ts';

/** Whose word a piece of evidence rests on (contracts section 4), and whether the relying party takes it. */
export interface RootStanding {
  finding: Finding;
  accepted: boolean;
  /** A software TPM: nothing vouches for the machine. */
  software: boolean;
}

/** Labels the root: `hardware` needs a pin that ships with the package; another root is the operator's, and accepted only by flag. */
export function rootFinding(root: TrustedRoot | null, expectations: Expectations): RootStanding {
  if (root === null) {
    return {
      finding: notChecked('the evidence ends in no trusted root', '--root FILE'),
      accepted: false,
      software: false,
    };
  }
  if (root.assurance === 'software-tpm') {
    const accepted = expectations.acceptSoftwareTpm === true;
    return standing('a software TPM: nothing vouches for the machine', '--accept-software-tpm', accepted, true);
  }
  if (root.source !== 'vendor') {
    const accepted = root.source === 'operator' && expectations.acceptOperatorRoot === true;
    return standing(`the root of the operator, ${root.name}`, '--accept-operator-root', accepted, false);
  }
  const cloud =
    root.assurance === 'cloud-vtpm' ? ', the virtual TPM of a cloud: its provider’s word, not a chip’s' : '';
  const finding = proven(`the root of the maker, ${root.name}${cloud}`, `the pinned fingerprint ${root.fingerprint}`);
  return { finding, accepted: true, software: false };
}

function standing(detail: string, flag: string, accepted: boolean, software: boolean): RootStanding {
  return {
    finding: accepted ? proven(`${detail}; you accept that`, flag) : asserted(detail, flag),
    accepted,
    software,
  };
}
