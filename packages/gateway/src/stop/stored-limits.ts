import { canonicalSorted, isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { GatewayChain } from '../audit/gateway-chain.ts';
import { storedObject } from '../audit/stored-object.ts';
import type { AuditLog } from '../audit/types.ts';
import type { Clock } from '../clock.ts';
import type { RateConfig } from '../config/limits.ts';
import { GatewayError } from '../errors.ts';
import { type Limits, UNITS, type Used } from './limits.ts';

/** Limits over a shorter time are not worth keeping over a restart. */
const LONG_MS = 3_600_000;
/** Of each limit, those that used most of it. */
const MAX_KEYS = 1000;
const FORM = 1;

/**
 * Keeps what was used of the long limits in the audit store, so that a restart gives nobody a budget anew: once a minute where something
 * was used, and at the end. A crash forgets the last minute.
 */
export class StoredLimits {
  readonly #limits: Limits;
  readonly #rates: readonly RateConfig[];
  readonly #clock: Clock;
  #stored = '';

  constructor(limits: Limits, rates: readonly RateConfig[], clock: Clock) {
    this.#limits = limits;
    this.#rates = rates.filter(({ windowMs }) => windowMs >= LONG_MS);
    this.#clock = clock;
  }

  /** @throws GatewayError STORE_INVALID */
  async restore(log: Pick<AuditLog, 'standing'>): Promise<void> {
    const text = await log.standing('limits');
    if (text === null) return;
    const stored = storedObject(text);
    const savedMicros = member(stored, 'saved_micros');
    const limits = member(stored, 'limits');
    if (member(stored, 'cmcp_limits') !== FORM || typeof savedMicros !== 'number' || !Array.isArray(limits))
      throw new GatewayError('STORE_INVALID', 'what the audit store remembers of the limits on use cannot be read');
    // A clock that was set back frees nothing.
    const sinceMs = Math.max(0, this.#clock.nowMicros() - savedMicros) / 1000;
    for (const rate of this.#rates) {
      // One that is set otherwise by now begins anew.
      const found = limits.find((each) => isObject(each) && member(each, 'limit') === nameOf(rate));
      const used = found !== undefined && isObject(found) ? member(found, 'used') : null;
      if (Array.isArray(used))
        this.#limits.restore(
          rate,
          used.flatMap((row) => usedIn(row, sinceMs)),
        );
    }
  }

  async store(chain: Pick<GatewayChain, 'enter'>): Promise<void> {
    if (this.#rates.length === 0) return;
    const limits = this.#limits
      .present(MAX_KEYS)
      .filter(({ rate }) => this.#rates.includes(rate))
      .map(({ rate, used }) => ({ limit: nameOf(rate), used: used.map(rowOf) }));
    const amounts = canonicalSorted(limits.map(({ used }) => used.map(({ age_ms: _, ...row }) => row)));
    if (amounts === this.#stored) return;
    const text = canonicalSorted({ cmcp_limits: FORM, saved_micros: this.#clock.nowMicros(), limits });
    await chain.enter('limits.counted', null, { limits: limits.length }, { name: 'limits', text });
    this.#stored = amounts;
  }
}

const nameOf = (rate: RateConfig): string => canonicalSorted({ ...rate });

function rowOf({ key, amounts, ageMs }: Used): JsonObject & { age_ms: number } {
  return { ...amounts, of: key, age_ms: Math.floor(ageMs) };
}

function usedIn(row: JsonValue, sinceMs: number): Used[] {
  if (!isObject(row)) return [];
  const number = (name: string): number => {
    const value = member(row, name);
    return typeof value === 'number' ? value : 0;
  };
  const [calls = 0, bytes = 0, cost = 0] = UNITS.map(number);
  const key = member(row, 'of');
  return typeof key === 'string' ? [{ key, amounts: { calls, bytes, cost }, ageMs: number('age_ms') + sinceMs }] : [];
}
