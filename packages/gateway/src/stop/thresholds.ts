import type { StopConfig } from '../config/stop.ts';
import type { Monotonic } from '../session/freshness.ts';
import type { Rule } from './block.ts';
import type { Blocks, Draft } from './blocks.ts';
import { type SlidingWindow, Windows } from './steps.ts';

/** A call that ended, as its entry says. */
export interface Ended {
  agent: string;
  session: string;
  decision: string;
  /** Inspection found what reads as instructions in what its server gave. */
  injection: boolean;
}

const COUNTED = 0;
const DENIED = 1;
/** Where the share is compared: three decimals are read. */
const THOUSANDTHS = 1000;

/**
 * Stops by itself what crosses a threshold, in the turn in which the crossing call is entered: nothing else of that agent is decided in
 * between. Windows are kept in memory, per agent, and begin anew with each block and each start.
 */
export class Thresholds {
  readonly #config: StopConfig;
  readonly #blocks: Pick<Blocks, 'trip'>;
  readonly #decisions: Windows | null;
  readonly #injections: Windows | null;
  readonly #drifts = new Map<string, number>();

  constructor(config: StopConfig, blocks: Pick<Blocks, 'trip'>, monotonic: Monotonic) {
    this.#config = config;
    this.#blocks = blocks;
    const { denyRate, injections } = config;
    this.#decisions = denyRate && new Windows(denyRate.windowMs, 2, monotonic);
    this.#injections = injections && new Windows(injections.windowMs, 1, monotonic);
  }

  /** In the turn in which the call's entry is handed to the log. */
  ended(call: Ended): void {
    this.#countDecision(call);
    this.#countInjection(call);
  }

  /** A server offers something else than was approved. In the turn in which that is found. */
  drifted(server: string): void {
    const { drift } = this.#config;
    if (drift === null) return;
    const found = (this.#drifts.get(server) ?? 0) + 1;
    this.#drifts.set(server, found);
    if (found < drift.count) return;
    this.#drifts.delete(server);
    const reason = `${found} departures from what was approved`;
    this.#blocks.trip({ scope: 'server', name: server, reason, rule: 'drift', windowSeconds: null });
  }

  /** Stops whoever makes this call. */
  stop(call: Pick<Ended, 'agent' | 'session'>, rule: Rule, reason: string, windowMs: number | null = null): void {
    this.#decisions?.clear(call.agent);
    this.#injections?.clear(call.agent);
    const name = this.#config.scope === 'agent' ? call.agent : call.session;
    const windowSeconds = windowMs === null ? null : Math.ceil(windowMs / 1000);
    const draft: Draft = { scope: this.#config.scope, name, reason, rule, windowSeconds };
    this.#blocks.trip(draft);
  }

  /** Wire-formats section 17.6: denials, in advisory mode too, over these and what was allowed. */
  #countDecision(call: Ended): void {
    const { denyRate } = this.#config;
    const isDenial = call.decision === 'deny' || call.decision === 'advisory_deny';
    if (denyRate === null || this.#decisions === null || !(isDenial || ALLOWED.includes(call.decision))) return;
    const { now } = this.#decisions;
    const window = this.#decisions.of(call.agent);
    window.add(now, COUNTED, 1);
    if (isDenial) window.add(now, DENIED, 1);
    const [counted, denied] = [window.total(now, COUNTED), window.total(now, DENIED)];
    if (counted < denyRate.calls || denied * THOUSANDTHS < denyRate.thousandths * counted) return;
    this.stop(call, 'deny_rate', `${denied} of ${counted} calls were denied`, denyRate.windowMs);
  }

  #countInjection(call: Ended): void {
    const { injections } = this.#config;
    if (injections === null || this.#injections === null || !call.injection) return;
    const { now } = this.#injections;
    const window: SlidingWindow = this.#injections.of(call.agent);
    window.add(now, 0, 1);
    const found = window.total(now, 0);
    if (found >= injections.count) this.stop(call, 'injections', `${found} answers held instructions`);
  }
}

/** What was answered, with something taken out of it or not. */
const ALLOWED: readonly string[] = ['allow', 'redact'];
