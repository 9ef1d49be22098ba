import { stringifyJson } from '@cmcp/evidence';
import type { Notice } from '../mcp/types.ts';
import { allows } from '../policy/effect.ts';
import { enforces } from '../policy/mode.ts';
import { decisionInput } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import { learn } from './flow.ts';
import type { CallRecord } from './record.ts';
import type { Side } from './side.ts';

/** Notices of one call that are passed on; the rest is counted. */
const MAX_RELAYED = 10_000;

/**
 * What a server says of a call before its answer. It may hold what the answer will hold, so it is decided on like one, and
 * counts as seen before it is shown; what policy withholds is dropped, and the call's entry says how much.
 */
export class Notices {
  readonly #deps: PathDeps;
  readonly #record: CallRecord;
  readonly #side: Side;
  readonly #show: () => Promise<void>;
  /** In the order in which they came; resolves when the last is dealt with. */
  #line: Promise<void> = Promise.resolve();

  constructor(deps: PathDeps, record: CallRecord, side: Side, show: () => Promise<void>) {
    this.#deps = deps;
    this.#record = record;
    this.#side = side;
    this.#show = show;
  }

  take(notice: Notice): void {
    const { relayed, withheld } = this.#record.notices;
    if (relayed + withheld >= MAX_RELAYED || !this.#isAllowed(notice)) {
      this.#record.notices.withheld += 1;
      return;
    }
    this.#record.notices.relayed += 1;
    this.#line = this.#line.then(async () => {
      await this.#show();
      await learn(this.#deps, this.#record, notice.kind === 'log' ? notice.data : notice.message);
      if (!this.#side.signal.aborted) this.#side.notify(notice);
    });
    // Whoever waits for the line learns of a failure; nobody may be waiting yet.
    this.#line.catch(() => {});
  }

  /** Rejects when what was to be durable before something is shown could not be made so. */
  passedOn(): Promise<void> {
    return this.#line;
  }

  #isAllowed(notice: Notice): boolean {
    const { plan, session, generation, workflow } = this.#record;
    if (plan === null || this.#deps.exposures.row(session.caller.subject).generation !== generation) return false;
    const { class: label, rank } = this.#record.effective ?? this.#record.before;
    const sizeBytes = Buffer.byteLength(textOf(notice));
    const decision = decided(this.#deps, this.#record, {
      ...decisionInput(this.#deps, this.#record, plan.asked, workflow),
      response: { sizeBytes, findings: 0, class: label, classRank: rank },
    });
    if (!enforces(this.#deps.config.mode)) return true;
    // Words cannot be redacted; that something goes on may be said.
    const redacts = decision.effect === 'redact' || this.#record.redactions.length > 0;
    return allows(decision) && (!redacts || isWordless(notice));
  }
}

function textOf(notice: Notice): string {
  return notice.kind === 'log' ? stringifyJson(notice.data) : (notice.message ?? '');
}

const isWordless = (notice: Notice): boolean => notice.kind === 'progress' && notice.message === null;
