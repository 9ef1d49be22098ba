import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { RefusalKind } from '../mcp/types.ts';
import { blankEntry } from './blank.ts';
import type { AuditLog, StandingText } from './types.ts';

/**
 * The chain of what happens outside any session (contracts section 2): operator actions, drift, activation, refused
 * attempts. Unauthenticated refusals and uncounted methods are totals, entered together by {@link flush}.
 */
export class GatewayChain {
  readonly sessionId: string;
  readonly #log: AuditLog;
  #counts = new Map<RefusalKind, number>();

  constructor(log: AuditLog, sessionId: string) {
    this.#log = log;
    this.sessionId = sessionId;
  }

  count(kind: RefusalKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /** Durable when it resolves. `detail`: strings and integers. `standing` is stored with the entry, or neither is. */
  async enter(action: string, caller: Caller | null, detail: JsonObject, standing?: StandingText): Promise<void> {
    const entry = {
      ...blankEntry('gateway_event', action),
      caller: caller?.subject ?? null,
      caller_source: caller?.source ?? null,
      on_behalf_of: caller?.onBehalfOf ?? null,
      detail,
    };
    await this.#log.append(this.sessionId, entry, standing && { standing });
  }

  /** An event with an entry type of its own. */
  async enterAs(
    type: 'policy_load' | 'catalog_load' | 'catalog_drift' | 'break_glass_used',
    detail: JsonObject,
    standing?: StandingText,
  ): Promise<void> {
    await this.#log.append(this.sessionId, { ...blankEntry(type, type), detail }, standing && { standing });
  }

  /** Enters what was counted since the last time, if anything. */
  async flush(): Promise<void> {
    if (this.#counts.size === 0) return;
    const counted = Object.fromEntries(this.#counts);
    this.#counts = new Map();
    await this.enter('counted', null, counted);
  }
}
