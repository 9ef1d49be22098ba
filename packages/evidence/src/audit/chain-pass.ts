import { SoughtCalls } from '../caller-receipts.ts';
import type { WireClaim } from '../claim/wire.ts';
import type { Sha256 } from '../crypto/sha256.ts';
import { ApprovalChain } from '../escalation/chain.ts';
import type { ActionEvidence, CallReceipt } from '../expectations.ts';
import { CarriedReceipts } from '../receipts/external.ts';
import { SoughtActions } from '../receipts/sought-actions.ts';
import { oneAuthority } from './activations.ts';
import * as chain from './chain.ts';
import type { ChainEntry } from './chain-entry.ts';
import { WeakestCall } from './evidence-class.ts';
import { BundleDigest } from './hash.ts';
import type { Observer, Witness } from './observer.ts';
import { Recoveries } from './recovery.ts';
import { Residue } from './residue.ts';
import { SessionCallers } from './session-callers.ts';
import { Sum } from './summary.ts';
import { Tips } from './tips.ts';
import { Transcript } from './transcript.ts';
import { ValueFlows } from './value-flows.ts';

/** What the entries are held against. */
interface Given {
  claim: WireClaim;
  bundleSessionId: string;
  receipts: readonly CallReceipt[];
  actions: readonly ActionEvidence[];
  hashing: Sha256;
}

/**
 * All that is asked of a chain, in one pass over its entries: a long session is never in memory as a whole. Of every entry stay its
 * hash, its id and the id of its call.
 */
export class ChainPass implements Witness {
  readonly tips = new Tips();
  readonly recoveries = new Recoveries(this.tips);
  readonly sum = new Sum();
  readonly residue = new Residue();
  readonly flows = new ValueFlows();
  readonly callers = new SessionCallers();
  readonly weakestCall = new WeakestCall();
  readonly carriedReceipts = new CarriedReceipts();
  readonly soughtActions: SoughtActions;
  readonly transcript: Transcript;
  readonly soughtCalls: SoughtCalls;
  readonly bundle: BundleDigest;

  readonly links = chain.links();
  readonly sequence = chain.sequence();
  readonly order = chain.order();
  readonly frame = chain.frame();
  readonly calls = chain.calls();
  readonly hashes: Observer;
  readonly session: Observer;
  readonly bounds: Observer;
  readonly authority: Observer;
  readonly approvals: ApprovalChain;

  #first: ChainEntry | null = null;
  #lastMicros = 0;
  readonly #witnesses: readonly Witness[];

  constructor({ claim, bundleSessionId, receipts, actions, hashing }: Given) {
    const { gateway, trace } = claim;
    this.transcript = new Transcript(trace.tool_transcript?.entries);
    this.soughtCalls = new SoughtCalls(receipts);
    this.soughtActions = new SoughtActions(actions);
    this.bundle = new BundleDigest(hashing);
    this.hashes = chain.hashes(hashing);
    this.session = chain.oneSession(bundleSessionId, gateway.session_id);
    this.bounds = chain.bounds(gateway.audit_chain);
    this.authority = oneAuthority({ bundle_hash: trace.policy.bundle_hash, catalog_hash: gateway.catalog.hash });
    this.approvals = new ApprovalChain(claim);
    const questions = [this.hashes, this.links, this.sequence, this.order, this.frame, this.calls];
    const sums = [
      this.recoveries,
      this.sum,
      this.transcript,
      this.soughtCalls,
      this.soughtActions,
      this.carriedReceipts,
      this.weakestCall,
      this.residue,
      this.flows,
      this.callers,
    ];
    // Tips first: a recovery looks at those before it.
    this.#witnesses = [this.tips, ...questions, this.session, this.bounds, this.authority, this.approvals, ...sums];
  }

  see(entry: ChainEntry, at: number): void {
    this.#first ??= entry;
    this.#lastMicros = entry.micros;
    this.bundle.add(entry.form.whole);
    for (const witness of this.#witnesses) witness.see(entry, at);
  }

  /** The first entry, which says what the session was opened with. */
  get first(): ChainEntry | null {
    return this.#first;
  }

  /** The time of the last entry, in microseconds since the epoch. */
  get lastMicros(): number {
    return this.#lastMicros;
  }
}
