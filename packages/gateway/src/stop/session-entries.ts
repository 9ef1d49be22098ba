import { blankEntry } from '../audit/blank.ts';
import type { AuditLog } from '../audit/types.ts';
import type { Session, Sessions } from '../session/sessions.ts';
import type { Block } from './block.ts';
import { stopsAgent } from './blocks.ts';
import { killDetail } from './kill-detail.ts';

export interface SessionEntriesDeps {
  log: Pick<AuditLog, 'append'>;
  sessions: Pick<Sessions, 'openNow' | 'hold' | 'leave'>;
  unrecorded: (error: unknown) => void;
}

/**
 * Says in the chain of each session that is stopped that it is, once for each block: that is where its claim has
 * `kill_switch_triggered` from (wire-formats section 17.6).
 */
export class SessionEntries {
  readonly #deps: SessionEntriesDeps;
  readonly #entered = new WeakMap<Session, Set<string>>();

  constructor(deps: SessionEntriesDeps) {
    this.#deps = deps;
  }

  /** In the turn in which the block comes into force: of tools and servers, sessions learn when they ask for them. */
  began(block: Block): void {
    const { sessions, unrecorded } = this.#deps;
    for (const session of sessions.openNow()) {
      const isStopped = stopsAgent(block, session.caller) || (block.scope === 'session' && block.name === session.id);
      // One that is closing says so with the calls that it waits for.
      if (!isStopped || sessions.hold(session.id) === null) continue;
      this.enter(session, block)
        .catch(unrecorded)
        .finally(() => sessions.leave(session));
    }
  }

  /** The session is entered by whoever asks. */
  async enter(session: Session, block: Block): Promise<void> {
    const entered = this.#entered.get(session) ?? new Set();
    if (entered.has(block.id)) return;
    this.#entered.set(session, entered.add(block.id));
    await this.#deps.log.append(session.id, {
      ...blankEntry('break_glass_used', 'kill_switch'),
      caller: session.caller.subject,
      caller_source: session.caller.source,
      detail: killDetail(block, session.caller.subject),
    });
  }
}
