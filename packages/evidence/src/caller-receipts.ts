import { type ChainEntry, isCall } from './audit/chain-entry.ts';
import type { Witness } from './audit/observer.ts';
import type { CallReceipt } from './expectations.ts';
import { asserted, type Finding, failed, proven, required } from './finding.ts';
import type { Check } from './report.ts';

/** The entry of a call that somebody holds a receipt for. */
interface FoundCall {
  at: number;
  hash: string;
  decision: string | null;
}

/** Looks for the calls that callers hold receipts for (contracts sections 2 and 5). */
export class SoughtCalls implements Witness {
  readonly #receipts: readonly CallReceipt[];
  readonly #sought: ReadonlySet<string>;
  readonly #found = new Map<string, FoundCall>();
  #sessionId: string | null = null;

  constructor(receipts: readonly CallReceipt[]) {
    this.#receipts = receipts;
    this.#sought = new Set(receipts.map((receipt) => receipt.call_id));
  }

  see(entry: ChainEntry, at: number): void {
    this.#sessionId ??= entry.sessionId;
    const { callId, hash, decision } = entry;
    if (callId === null || !this.#sought.has(callId) || this.#found.has(callId)) return;
    if (isCall(entry) || entry.type === 'mcp_request') this.#found.set(callId, { at, hash, decision });
  }

  /** Whether the calls are in the chain, where the receipts say. `provenLength`: entries, from the first, that are proven. */
  checks(provenLength: number): Check[] {
    return this.#receipts.map((receipt, i) =>
      required(`receipt.${i + 1}`, `Is call ${receipt.call_id} in the chain?`, this.#finding(receipt, provenLength)),
    );
  }

  #finding(receipt: CallReceipt, provenLength: number): Finding {
    const against = 'the receipt given';
    if (receipt.session_id !== this.#sessionId) return failed('the receipt is of another session', against);
    const call = this.#found.get(receipt.call_id);
    if (call === undefined) return failed('no entry of the chain is of this call', against);
    const { at, hash, decision } = call;
    if (receipt.sequence !== undefined && receipt.sequence !== at) return failed(`the call is entry ${at}`, against);
    if (receipt.entry_hash !== undefined && receipt.entry_hash !== hash)
      return failed('the entry is another one', against);
    if (at >= provenLength) return asserted(`entry ${at} is the call; that part of the chain is not proven`);
    return proven(`entry ${at} is the call, with the decision ${decision ?? 'n/a'}`, against);
  }
}
