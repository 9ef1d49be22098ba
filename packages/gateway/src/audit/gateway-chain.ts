import type { JsonObject } from '@cmcp/evidence';
import type { RefusalKind } from '../mcp/types.ts';
import { ROLES } from '../operator/route.ts';
import { blankEntry } from './blank.ts';
import type { AuditLog, StandingText } from './types.ts';

/** Who did what is entered: an agent, or an operator. */
export interface Actor {
  readonly subject: string;
  /** As whatever recognised them calls it: `bearer`, `mtls`. */
  readonly source: string;
  /** The user who delegated to an agent. */
  readonly onBehalfOf?: string;
  /** Of an operator: what they may. Entered where that is not everything. */
  readonly roles?: readonly string[];
}

export type Entered = (action: string, by: Actor, detail: JsonObject) => void;

/**
 * The chain of what happens outside any session (contracts section 2): operator actions, drift, activation, refused
 * attempts. Unauthenticated refusals and uncounted methods are totals, entered together by {@link flush}.
 */
export class GatewayChain {
  readonly sessionId: string;
  readonly #log: AuditLog;
  readonly #entered: Entered;
  #counts = new Map<RefusalKind, number>();

  /** @param entered told of every action of somebody's, once its entry is durable */
  constructor(log: AuditLog, sessionId: string, entered: Entered = () => {}) {
    this.#log = log;
    this.#entered = entered;
    this.sessionId = sessionId;
  }

  count(kind: RefusalKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /** Durable when it resolves. `detail`: strings and integers. `standing` is stored with the entry, or neither is. */
  async enter(action: string, by: Actor | null, detail: JsonObject, standing?: StandingText): Promise<void> {
    const entry = {
      ...blankEntry('gateway_event', action),
      caller: by?.subject ?? null,
      caller_source: by?.source ?? null,
      on_behalf_of: by?.onBehalfOf ?? null,
      detail: { ...detail, ...rolesOf(by) },
    };
    await this.#log.append(this.sessionId, entry, standing && { standing });
    if (by !== null) this.#entered(action, by, detail);
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

function rolesOf(by: Actor | null): JsonObject {
  const roles = by?.roles ?? ROLES;
  return roles.length === ROLES.length ? {} : { operator_roles: roles.join(',') };
}
