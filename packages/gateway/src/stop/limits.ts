import type { RateConfig } from '../config/limits.ts';
import type { Monotonic } from '../session/freshness.ts';
import { type SlidingWindow, Windows } from './steps.ts';

/** A call, as limits count it. */
export interface Spender {
  agent: string;
  session: string;
  server: string;
  /** Null: it calls no tool. */
  tool: string | null;
}

/** What is limited. */
export const UNITS = ['calls', 'bytes', 'cost'] as const;
export type Unit = (typeof UNITS)[number];
export type Amounts = Readonly<Record<Unit, number>>;

/** Why a call does not fit. */
export interface Exceeded {
  rate: RateConfig;
  unit: Unit;
  /** When as much as this would fit again; for what never fits, the whole window. */
  retryAfterSeconds: number;
}

/** What a call has taken of its limits. */
export interface Spent {
  /** Something of the call was sent: it is spent, whatever comes of it. */
  left(): void;
  /** The call is over: what was taken for one that never left is given back. */
  end(): void;
}

const NOTHING_SPENT: Spent = { left: () => {}, end: () => {} };

/** What one of something has used of a limit, to be kept over a restart. */
export interface Used {
  key: string;
  amounts: Amounts;
  /** Milliseconds since it used some of it last. */
  ageMs: number;
}

interface Limit {
  rate: RateConfig;
  windows: Windows;
}

/** An amount that would go into a window. */
interface Part {
  limit: Limit;
  window: SlidingWindow;
  unit: Unit;
  at: number;
  amount: number;
}

/**
 * How much each caller, tool, session or server may use within a while (ASI-02). Taken in the turn of the decision, all or nothing, so
 * that parallel calls cannot overshoot. In memory, for as many as there may be: see steps.ts.
 */
export class Limits {
  readonly #limits: readonly Limit[];
  readonly countsBytes: boolean;

  constructor(rates: readonly RateConfig[], monotonic: Monotonic) {
    this.#limits = rates.map((rate) => ({ rate, windows: new Windows(rate.windowMs, UNITS.length, monotonic) }));
    this.countsBytes = rates.some(({ bytes }) => bytes !== null);
  }

  /** Takes what a call needs before it is sent, or says why it does not fit. */
  take(spender: Spender, amounts: Amounts): { spent: Spent } | { exceeded: Exceeded } {
    const parts = this.#parts(spender, amounts);
    const over = parts.find(isOver);
    if (over !== undefined) return { exceeded: exceededBy(over) };
    for (const part of parts) part.window.add(part.at, UNITS.indexOf(part.unit), part.amount);
    return { spent: parts.length === 0 ? NOTHING_SPENT : spentOf(parts) };
  }

  /** Takes what came back; null: it fits. What does not fit is not taken: nobody is given it. */
  takeAnswer(spender: Spender, bytes: number): Exceeded | null {
    const parts = this.#parts(spender, { calls: 0, bytes, cost: 0 }).filter(({ unit }) => unit === 'bytes');
    const over = parts.find(isOver);
    if (over !== undefined) return exceededBy(over);
    for (const part of parts) part.window.add(part.at, UNITS.indexOf('bytes'), bytes);
    return null;
  }

  /** What is in the windows now: of each limit as many as `most`, those that used most of it first. */
  present(most: number): { rate: RateConfig; used: Used[] }[] {
    return this.#limits.map(({ rate, windows }) => {
      const { now } = windows;
      const used = windows.entries.map(([key, window]) => {
        const [calls, bytes, cost] = UNITS.map((_, column) => window.total(now, column));
        const amounts = { calls: calls ?? 0, bytes: bytes ?? 0, cost: cost ?? 0 };
        return { key, amounts, ageMs: (now - window.last) * windows.stepMs };
      });
      const share = ({ amounts }: Used): number =>
        Math.max(...UNITS.map((unit) => amounts[unit] / (rate[unit] ?? Infinity)));
      return { rate, used: used.sort((a, b) => share(b) - share(a)).slice(0, most) };
    });
  }

  /** Counts what was used before this process began: all of it as if it had been used last. */
  restore(rate: RateConfig, used: readonly Used[]): void {
    const limit = this.#limits.find((each) => each.rate === rate);
    if (limit === undefined) return;
    const { windows } = limit;
    for (const { key, amounts, ageMs } of used) {
      const at = windows.now - Math.floor(ageMs / windows.stepMs);
      for (const [column, unit] of UNITS.entries()) windows.of(key).add(at, column, amounts[unit]);
    }
  }

  #parts(spender: Spender, amounts: Amounts): Part[] {
    return this.#limits.flatMap((limit) => {
      const key = keyOf(limit.rate, spender);
      if (key === null) return [];
      const window = limit.windows.of(key);
      const at = limit.windows.now;
      return UNITS.flatMap((unit) =>
        limit.rate[unit] === null ? [] : [{ limit, window, unit, at, amount: amounts[unit] }],
      );
    });
  }
}

function keyOf({ per }: RateConfig, { agent, session, server, tool }: Spender): string | null {
  switch (per) {
    case 'caller':
      return agent;
    case 'session':
      return session;
    case 'server':
      return server;
    case 'tool':
      return tool;
    case 'caller+tool':
      return tool === null ? null : JSON.stringify([agent, tool]);
  }
}

function isOver({ limit, window, unit, at, amount }: Part): boolean {
  const most = limit.rate[unit] ?? Number.POSITIVE_INFINITY;
  return window.total(at, UNITS.indexOf(unit)) + amount > most;
}

function exceededBy({ limit: { rate, windows }, window, unit, at, amount }: Part): Exceeded {
  const column = UNITS.indexOf(unit);
  const missing = window.total(at, column) + amount - (rate[unit] ?? 0);
  const steps = window.freedIn(at, column, missing);
  const waitMs = steps === null ? rate.windowMs : steps * windows.stepMs;
  return { rate, unit, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) };
}

function spentOf(parts: readonly Part[]): Spent {
  let sent = false;
  return {
    left() {
      sent = true;
    },
    end() {
      if (sent) return;
      for (const { window, unit, at, amount } of parts) window.takeBack(at, UNITS.indexOf(unit), amount);
      sent = true;
    },
  };
}
