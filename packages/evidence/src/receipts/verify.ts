import type { TrustedKey } from '../expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from '../finding.ts';
import { isObject, member } from '../json/value.ts';
import type { Check } from '../report.ts';
import { type CarriedReceipt, controllerKeyId, keysById, type ReceiptStanding, standingOf } from './external.ts';

interface Judged extends CarriedReceipt {
  standing: ReceiptStanding;
}

/** What the relying party brings. */
export interface ControllersGiven {
  /** The controllers that are trusted. A receipt of any other is not checked. */
  keys: readonly TrustedKey[];
  /** The key (`x`) that signed the claim: a receipt under it is the gateway's own word. */
  claimKey: string;
  /** Whether every receipt must be of a controller that is trusted. */
  demanded?: boolean;
}

/**
 * Whether the receipts of outside controllers in a chain are about the calls whose entries carry them, and signed by a key that
 * the relying party trusts (wire-formats section 14.1). Total: never throws. A receipt proves that its issuer signed it, never
 * that anything happened (limitation L-07).
 */
export async function checkExternalReceipts(
  receipts: readonly CarriedReceipt[],
  { keys, claimKey, demanded = false }: ControllersGiven,
): Promise<Check[]> {
  if (receipts.length === 0) return [];
  const byId = keysById(keys);
  const judged: Judged[] = [];
  for (const carried of receipts) judged.push({ ...carried, standing: await standingOf(carried, byId) });
  const ask = demanded ? required : informative;
  return [
    ask('controller.form', 'Have the receipts of controllers their form?', none(judged, 'malformed', 'all have')),
    ask(
      'controller.call',
      'Is every receipt of the call whose entry carries it?',
      none(judged, 'of-another-call', 'every receipt names the call of its entry'),
    ),
    ask('controller.signature', 'Did controllers that you trust sign them?', signatures(judged, demanded)),
    informative('controller.independence', 'Are they more than the gateway’s word?', independence(judged, claimKey)),
  ];
}

/** Failed with the first receipt that is `what`. */
function none(judged: readonly Judged[], what: 'malformed' | 'of-another-call', otherwise: string): Finding {
  return firstFailure(judged, what) ?? proven(otherwise);
}

/** In the words that others look for (wire-formats section 14.1). */
function firstFailure(judged: readonly Judged[], what: ReceiptStanding['is']): Finding | null {
  for (const { at, standing } of judged) {
    if (standing.is === what && standing.is !== 'genuine')
      return failed(`entry ${at}: EXTERNAL_EVIDENCE_VERIFICATION_FAILED: ${standing.problem}`);
  }
  return null;
}

function signatures(judged: readonly Judged[], demanded: boolean): Finding {
  const wrong = firstFailure(judged, 'forged') ?? (demanded ? firstFailure(judged, 'unknown-issuer') : null);
  if (wrong !== null) return wrong;
  const genuine = judged.flatMap(({ standing }) => (standing.is === 'genuine' ? [standing.issuer.source] : []));
  const unchecked = judged.length - genuine.length;
  if (unchecked > 0) {
    const detail = `${unchecked} of ${judged.length} receipts could not be checked: without the key of its issuer a receipt is unverified, not invalid`;
    return notChecked(detail, '--controller-key FILE');
  }
  const detail = `${genuine.length} receipts: their issuers signed them, which does not prove that anything happened`;
  return proven(detail, [...new Set(genuine)].join(', '));
}

function independence(judged: readonly Judged[], claimKey: string): Finding {
  const own = controllerKeyId(claimKey);
  const selfMade = judged.filter(({ receipt }) => isObject(receipt) && member(receipt, 'issuer_key_id') === own).length;
  return selfMade === 0
    ? asserted('no receipt is under the key of the gateway; who runs the controllers is not known')
    : asserted(`${selfMade} receipts are under the key of the gateway itself: they add nothing to its word`);
}
