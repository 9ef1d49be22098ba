import { stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type Judged, judge } from '../inspection/judge.ts';
import { NoticeWindow, type Seen, type Taken } from '../inspection/stream/notice-window.ts';
import { isWordless, saidOf, saying } from '../inspection/stream/said.ts';
import { inTurns } from '../inspection/turns.ts';
import type { Finding } from '../inspection/types.ts';
import type { Notice } from '../mcp/types.ts';
import { allows } from '../policy/effect.ts';
import { enforces, speaks } from '../policy/mode.ts';
import { decisionInput } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import { learn } from './flow.ts';
import { responseView } from './inspect.ts';
import { labelsOf, raisedBy, refusalOf, settingsOf, takeOut } from './look.ts';
import type { CallRecord } from './record.ts';
import type { Side } from './side.ts';
import { isBlocked } from './unblocked.ts';

/** Notices of one call that are passed on; the rest is counted. */
const MAX_RELAYED = 10_000;
/** Characters of notices that wait to be looked at; what comes then is dropped. */
const MAX_WAITING = 4 * 1024 * 1024;

/**
 * What a server says of a call before its answer. It may hold what the answer will hold, so it is looked through and decided on like
 * one, and counts as seen before it is shown; what policy withholds is dropped, and the call's entry says how much. What may not be
 * passed on at all ends the call.
 */
export class Notices {
  readonly #deps: PathDeps;
  readonly #record: CallRecord;
  readonly #side: Side;
  readonly #show: () => Promise<void>;
  readonly #window: NoticeWindow;
  /** The rank that the call is on record for before anything is shown. */
  readonly #rank: number;
  readonly #over = new AbortController();
  /** In the order in which they came; resolves when the last is dealt with. */
  #line: Promise<void> = Promise.resolve();
  #waiting = 0;
  #refusal: GatewayError | null = null;

  constructor(deps: PathDeps, record: CallRecord, side: Side, show: () => Promise<void>) {
    this.#deps = deps;
    this.#record = record;
    this.#side = side;
    this.#show = show;
    this.#rank = (record.effective ?? record.before).rank;
    const settings = settingsOf(record);
    const how = deps.inspection.how(record.session.authority.inspection, settings);
    this.#window = new NoticeWindow(how, record.inspected.applied ? settings.stream : 'open');
  }

  /** Why what was said ends the call; null: it does not. */
  get refusal(): GatewayError | null {
    return this.#refusal;
  }

  /** Aborts when what was said ends the call. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  take(notice: Notice): void {
    const { notices } = this.#record;
    const isOver = notices.relayed + notices.withheld >= MAX_RELAYED;
    // Until it is passed on.
    notices.withheld += 1;
    const size = textOf(notice).length;
    if (isOver || this.#waiting + size > MAX_WAITING) return;
    this.#waiting += size;
    this.#next(async () => {
      this.#waiting -= size;
      for (const seen of await this.#looked(notice)) await this.#pass(seen);
    });
  }

  /** Rejects when what was to be durable before something is shown could not be made so, or with {@link refusal}. */
  passedOn(): Promise<void> {
    return this.#line;
  }

  /** Nothing more is said: passes on what is held. Rejects as {@link passedOn} does. */
  end(): Promise<void> {
    return this.#next(async () => {
      for (const seen of this.#window.end()) await this.#pass(seen);
    });
  }

  #next(work: () => Promise<void>): Promise<void> {
    this.#line = this.#line.then(work);
    // Whoever waits for the line learns of a failure; nobody may be waiting yet.
    this.#line.catch(() => {});
    return this.#line;
  }

  /** What may go on now. */
  async #looked(notice: Notice): Promise<Seen[]> {
    const { seen, found } = await this.#taken(notice);
    const judged = this.#judged(found);
    const refusal = judged.outcome === 'deny' ? refusalOf(judged, false) : null;
    if (refusal !== null) this.#refuse(refusal, judged);
    return seen;
  }

  async #taken(notice: Notice): Promise<Taken> {
    try {
      const { budgetMs } = settingsOf(this.#record);
      return await inTurns(this.#window.take(notice), budgetMs, this.#deps.inspection.turns);
    } catch (failure) {
      if (!(failure instanceof GatewayError)) throw failure;
      this.#record.inspected.came('not_inspected');
      this.#refuse(failure, this.#judged([]));
      return { seen: [{ notice, said: saidOf(notice), findings: [], notScanned: 0 }], found: [] };
    }
  }

  #judged(findings: readonly Finding[]): Judged {
    return judge(findings, settingsOf(this.#record), this.#record.session.authority.inspection);
  }

  /** @throws GatewayError except where the mode does not enforce: then the call is marked */
  #refuse(failure: GatewayError, judged: Judged): void {
    const { config, report } = this.#deps;
    const { callId, inspected } = this.#record;
    if (!enforces(config.mode)) {
      this.#record.wouldHaveDenied = true;
      if (speaks(config.mode)) report('call.would_deny', callId, `${failure.code}: ${failure.detail}`);
      return;
    }
    if (judged.findings.length > 0) inspected.saw(judged, 0);
    this.#refusal = failure;
    this.#record.endedMidStream = true;
    this.#over.abort();
    throw failure;
  }

  async #pass({ notice, said, findings, notScanned }: Seen): Promise<void> {
    const { notices, inspected } = this.#record;
    const judged = this.#judged(findings);
    inspected.saw(judged, notScanned);
    if (!this.#isAllowed(notice, judged)) return;
    // Nobody can release later what was to be heard before the answer.
    if (judged.outcome === 'quarantine' && inspected.applied) return;
    const taken = [...judged.removed, ...judged.kept.filter((finding) => this.#isAbove(finding))];
    const left = await takeOut(this.#deps, this.#record, said, taken);
    if (!inspected.applied) this.#raise(judged.findings);
    notices.withheld -= 1;
    notices.relayed += 1;
    await this.#show();
    await learn(this.#deps, this.#record, left);
    if (!this.#side.signal.aborted) this.#side.notify(left === said ? notice : saying(notice, left));
  }

  /** What a call may show is on record before anything is shown. More than that is for its answer to show. */
  #isAbove({ label }: Finding): boolean {
    return label !== null && (this.#deps.ranks.get(label) ?? Number.POSITIVE_INFINITY) > this.#rank;
  }

  #raise(findings: readonly Finding[]): void {
    const expected = this.#record.effective ?? this.#record.before;
    this.#record.effective = raisedBy(this.#deps.ranks, expected, labelsOf(findings));
  }

  #isAllowed(notice: Notice, judged: Judged): boolean {
    const { plan, exposed, generation, workflow } = this.#record;
    if (plan === null || this.#deps.exposures.row(exposed).generation !== generation) return false;
    if (isBlocked(this.#deps, this.#record, plan)) return false;
    const decision = decided(this.#deps, this.#record, {
      ...decisionInput(this.#deps, this.#record, plan.asked, workflow),
      response: responseView(this.#deps, this.#record, Buffer.byteLength(textOf(notice)), judged),
    });
    if (!enforces(this.#deps.config.mode)) return true;
    // What a path does not name cannot be redacted; how far something is may be said.
    const redacts = decision.effect === 'redact' || this.#record.redactions.length > 0;
    return allows(decision) && (!redacts || (isWordless(notice) && judged.findings.length === 0));
  }
}

function textOf(notice: Notice): string {
  return notice.kind === 'log' ? stringifyJson(notice.data) : (notice.message ?? '');
}
