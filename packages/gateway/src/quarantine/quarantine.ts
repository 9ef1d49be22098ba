import type { JsonObject } from '@cmcp/evidence';
import type { GatewayChain } from '../audit/gateway-chain.ts';
import type { Authority } from '../authority.ts';
import type { QuarantineConfig } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { QuarantineOperations } from '../operator/quarantine-routes.ts';
import type { Operator } from '../operator/route.ts';
import type { Exposures } from '../session/exposure.ts';
import type { Monotonic } from '../session/freshness.ts';
import { authorityKey, describe, type Held, shown } from './held.ts';

export interface QuarantineDeps {
  settings: QuarantineConfig;
  chain: GatewayChain;
  exposures: Exposures;
  monotonic: Monotonic;
  authority: () => Authority;
}

/** Who asks, for what, and under what. */
export type Asking = Pick<Held, 'owner' | 'generation' | 'request' | 'governedBy'>;

/**
 * Answers that are withheld until an operator releases them. They are in memory alone, bounded in number, bytes and time, and nothing of
 * them gets anywhere else; what falls out is discarded, and that is entered.
 */
export class Quarantine implements QuarantineOperations {
  readonly #deps: QuarantineDeps;
  /** From the oldest to the newest. */
  readonly #held = new Map<string, Held>();
  /** Ids that an operator's step is being entered for. */
  readonly #busy = new Set<string>();

  constructor(deps: QuarantineDeps) {
    this.#deps = deps;
  }

  /** @throws GatewayError RESPONSE_CONTENT_REFUSED for an answer that is too large to be held */
  async hold(held: Omit<Held, 'endsAt' | 'released'>): Promise<void> {
    const { settings, monotonic } = this.#deps;
    if (held.answer.sizeBytes > settings.maxBytes)
      throw new GatewayError(
        'RESPONSE_CONTENT_REFUSED',
        `the answer is too large to be held: ${held.answer.sizeBytes} bytes`,
      );
    this.#held.set(held.id, { ...held, endsAt: monotonic() + settings.keepMs, released: null });
    await this.#discard(this.#surplus(), 'room');
  }

  /** What was released for whoever asks so, for this once; the oldest first. */
  take({ owner, generation, request, governedBy }: Asking): Held | null {
    for (const held of this.#present()) {
      if (held.released === null || this.#busy.has(held.id)) continue;
      if (held.owner !== owner || held.generation !== generation) continue;
      if (held.request !== request || held.governedBy !== governedBy) continue;
      this.#held.delete(held.id);
      return held;
    }
    return null;
  }

  list(): JsonObject {
    return { items: this.#present().map((held) => describe(held, this.#deps.monotonic())) };
  }

  async show(by: Operator, id: string): Promise<JsonObject> {
    this.#find(id);
    await this.#deps.chain.enter('operator.quarantine_show', by, { quarantine_id: id });
    return shown(this.#find(id), this.#deps.monotonic());
  }

  release(by: Operator, id: string, reason: string): Promise<JsonObject> {
    return this.#step(id, async (held) => {
      if (held.released !== null) throw new GatewayError('INVALID_PARAMS', `${id} was released already`);
      this.#requireUsable(held);
      const entered = { quarantine_id: id, subject: held.subject, operator_reason: reason };
      await this.#deps.chain.enter('operator.quarantine_release', by, entered);
      const released: Held = { ...this.#find(id), released: { operator: by.subject, reason } };
      this.#held.set(id, released);
      return describe(released, this.#deps.monotonic());
    });
  }

  discard(by: Operator, id: string, reason: string): Promise<JsonObject> {
    return this.#step(id, async () => {
      const entered = { quarantine_id: id, operator_reason: reason };
      await this.#deps.chain.enter('operator.quarantine_discard', by, entered);
      this.#held.delete(id);
      return { id, state: 'discarded' };
    });
  }

  /** Discards what has been held for its time. */
  sweep(): Promise<void> {
    const now = this.#deps.monotonic();
    return this.#discard(
      [...this.#held.values()].filter(({ endsAt }) => now >= endsAt),
      'expired',
    );
  }

  /** Other rules are in force: what was held under those before can be given to nobody. */
  activated(): Promise<void> {
    const key = authorityKey(this.#deps.authority());
    return this.#discard(
      [...this.#held.values()].filter(({ governedBy }) => governedBy !== key),
      'activation',
    );
  }

  /** Everything is forgotten. */
  end(): Promise<void> {
    return this.#discard([...this.#held.values()], 'shutdown');
  }

  /** One step of an operator's at a time, for each answer: two releases would be two entries of one. */
  async #step(id: string, step: (held: Held) => Promise<JsonObject>): Promise<JsonObject> {
    const held = this.#find(id);
    if (this.#busy.has(id)) throw new GatewayError('INVALID_PARAMS', `something is being done about ${id} already`);
    this.#busy.add(id);
    try {
      return await step(held);
    } finally {
      this.#busy.delete(id);
    }
  }

  #requireUsable({ id, subject, exposed, generation, governedBy }: Held): void {
    const { exposures, authority } = this.#deps;
    if (exposures.row(exposed).generation !== generation)
      throw new GatewayError('INVALID_PARAMS', `${id} is of before the exposure of ${subject} was reset; discard it`);
    if (governedBy !== authorityKey(authority()))
      throw new GatewayError('INVALID_PARAMS', `${id} was held under another policy, catalog or rules; discard it`);
  }

  #find(id: string): Held {
    const held = this.#present().find((each) => each.id === id);
    if (held !== undefined) return held;
    throw new GatewayError('INVALID_PARAMS', `nothing is held as ${id}; it may have been given out or discarded`);
  }

  #present(): Held[] {
    const now = this.#deps.monotonic();
    return [...this.#held.values()].filter(({ endsAt }) => now < endsAt);
  }

  /** The oldest, as many as have to go. */
  #surplus(): Held[] {
    const { maxItems, maxBytes } = this.#deps.settings;
    const all = [...this.#held.values()];
    let [items, bytes] = [all.length, all.reduce((sum, { answer }) => sum + answer.sizeBytes, 0)];
    return all.filter(({ answer }) => {
      if (items <= maxItems && bytes <= maxBytes) return false;
      items -= 1;
      bytes -= answer.sizeBytes;
      return true;
    });
  }

  async #discard(gone: readonly Held[], why: string): Promise<void> {
    for (const { id } of gone) this.#held.delete(id);
    for (const { id } of gone) await this.#deps.chain.enter('quarantine.discarded', null, { quarantine_id: id, why });
  }
}
