import type { ChainEntry } from './audit/chain-entry.ts';
import { isCall } from './audit/chain-entry.ts';
import type { CallReceipt } from './expectations.ts';
import { asserted, type Finding, failed, proven, required } from './finding.ts';
import type { Check } from './report.ts';

/** Whether the calls that callers hold receipts for are in the chain, where the receipts say (contracts sections 2 and 5). */
export function receiptChecks(
  receipts: readonly CallReceipt[],
  entries: readonly ChainEntry[],
  provenLength: number,
): Check[] {
  return receipts.map((receipt, i) =>
    required(
      `receipt.${i + 1}`,
      `Is call ${receipt.call_id} in the chain?`,
      receiptFinding(receipt, entries, provenLength),
    ),
  );
}

function receiptFinding(receipt: CallReceipt, entries: readonly ChainEntry[], provenLength: number): Finding {
  const against = 'the receipt given';
  if (receipt.session_id !== entries[0]?.sessionId) return failed('the receipt is of another session', against);
  const at = entries.findIndex(
    (entry) => entry.callId === receipt.call_id && (isCall(entry) || entry.type === 'mcp_request'),
  );
  const entry = entries[at];
  if (entry === undefined) return failed('no entry of the chain is of this call', against);
  if (receipt.sequence !== undefined && receipt.sequence !== at) return failed(`the call is entry ${at}`, against);
  if (receipt.entry_hash !== undefined && receipt.entry_hash !== entry.hash)
    return failed('the entry is another one', against);
  if (at >= provenLength) return asserted(`entry ${at} is the call; that part of the chain is not proven`);
  return proven(`entry ${at} is the call, with the decision ${entry.decision ?? 'n/a'}`, against);
}
