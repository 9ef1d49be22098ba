import { type JsonObject, type JsonValue, member, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { Judged } from '../inspection/judge.ts';
import type { Finding } from '../inspection/types.ts';
import type { Notice } from '../mcp/types.ts';
import { allows } from '../policy/effect.ts';
import { decisionInput } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import { responseView } from './inspect.ts';
import { lookAt, refusalOf, takeOut } from './look.ts';
import type { CallRecord } from './record.ts';
import type { Side } from './side.ts';

/** Notices of one call that are passed on; the rest is counted. */
const MAX_RELAYED = 10_000;

/**
 * What a server says of a call before its answer. It may hold what the answer will hold, so it is looked through and decided on like
 * one, and counts as seen before it is shown; what is withheld is dropped, and the call's entry says how much.
 */
export class Notices {
  readonly #deps: PathDeps;
  readonly #record: CallRecord;
  readonly #side: Side;
  readonly #show: () => Promise<void>;
  #taken = 0;
  /** In the order in which they came; resolves when the last is dealt with. */
  #line: Promise<void> = Promise.resolve();

  constructor(deps: PathDeps, record: CallRecord, side: Side, show: () => Promise<void>) {
    this.#deps = deps;
    this.#record = record;
    this.#side = side;
    this.#show = show;
  }

  take(notice: Notice): void {
    this.#taken += 1;
    if (this.#taken > MAX_RELAYED) {
      this.#record.notices.withheld += 1;
      return;
    }
    this.#line = this.#line.then(() => this.#pass(notice));
    // Whoever waits for the line learns of a failure; nobody may be waiting yet.
    this.#line.catch(() => {});
  }

  /** Rejects when what was to be durable before something is shown could not be made so. */
  passedOn(): Promise<void> {
    return this.#line;
  }

  async #pass(notice: Notice): Promise<void> {
    const passed = await this.#allowed(notice);
    if (passed === null) {
      this.#record.notices.withheld += 1;
      return;
    }
    this.#record.notices.relayed += 1;
    await this.#show();
    if (!this.#side.signal.aborted) this.#side.notify(passed);
  }

  /** What of a notice may be passed on; null: nothing. */
  async #allowed(notice: Notice): Promise<Notice | null> {
    const { inspected } = this.#record;
    const { judged, failure } = await this.#seen(notice);
    if (!this.#isCurrent()) return null;
    const isPermitted = this.#isPermitted(notice, judged);
    if (!inspected.applied) return notice;
    if (failure !== null || refusalOf(judged, false) !== null || !isPermitted) return null;
    const taken = [...judged.removed, ...judged.kept.filter((finding) => this.#isAbove(finding))];
    return withWords(notice, await takeOut(this.#deps, this.#record, wordsOf(notice), taken));
  }

  async #seen(notice: Notice): Promise<{ judged: Judged; failure: GatewayError | null }> {
    try {
      return { judged: await lookAt(this.#deps, this.#record, wordsOf(notice)), failure: null };
    } catch (failure) {
      if (!(failure instanceof GatewayError)) throw failure;
      this.#record.inspected.came('not_inspected');
      return { judged: { findings: [], removed: [], kept: [], outcome: 'off', gravest: null }, failure };
    }
  }

  /** What a call may show is on record before anything is shown. More than that is for its answer to show. */
  #isAbove({ label }: Finding): boolean {
    const { effective, before } = this.#record;
    const rank = label === null ? 0 : (this.#deps.ranks.get(label) ?? Number.POSITIVE_INFINITY);
    return rank > (effective ?? before).rank;
  }

  #isCurrent(): boolean {
    const { session, generation } = this.#record;
    return this.#deps.exposures.row(session.caller.subject).generation === generation;
  }

  #isPermitted(notice: Notice, judged: Judged): boolean {
    const { plan, workflow, redactions } = this.#record;
    if (plan === null) return false;
    const decision = decided(this.#deps, this.#record, {
      ...decisionInput(this.#deps, this.#record, plan.asked, workflow),
      response: responseView(this.#deps, this.#record, Buffer.byteLength(textOf(notice)), judged),
    });
    // Words cannot be redacted by a policy; that something goes on may be said.
    const redacts = decision.effect === 'redact' || redactions.length > 0;
    return allows(decision) && (!redacts || isWordless(notice));
  }
}

/** What a notice says, besides numbers. */
function wordsOf(notice: Notice): JsonObject {
  return notice.kind === 'log' ? { logger: notice.logger, data: notice.data } : { message: notice.message };
}

/** The notice, saying this instead. */
function withWords(notice: Notice, words: JsonObject): Notice {
  if (notice.kind === 'log') {
    return { ...notice, logger: textIn(words, 'logger'), data: member(words, 'data') ?? null };
  }
  return { ...notice, message: textIn(words, 'message') };
}

function textIn(words: JsonObject, name: string): string | null {
  const value: JsonValue | undefined = member(words, name);
  return typeof value === 'string' ? value : null;
}

function textOf(notice: Notice): string {
  return notice.kind === 'log' ? stringifyJson(notice.data) : (notice.message ?? '');
}

const isWordless = (notice: Notice): boolean => notice.kind === 'progress' && notice.message === null;
