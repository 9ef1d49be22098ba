import { randomBytes, randomUUID } from 'node:crypto';
import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type AskView, requireAbility, viewAsk } from '../inspection/ask.ts';
import { checkAnswer } from '../inspection/ask-answer.ts';
import type { Judged } from '../inspection/judge.ts';
import type { Ask } from '../mcp/asks.ts';
import type { Decision } from '../policy/types.ts';
import { decisionInput, enforce } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import { exitOf, failureOf, reportEnd } from './exits.ts';
import { learn, traced } from './flow.ts';
import { requireGeneration } from './inspect.ts';
import { InspectedCall } from './inspected.ts';
import { labelsOf, lookAt, raisedBy, refusalOf, takeOut } from './look.ts';
import { payloadDigest } from './payload-digest.ts';
import { type CallRecord, elapsed, entryOf, releasedAs, ruleOf } from './record.ts';
import type { Side } from './side.ts';
import { requireUnblocked } from './unblocked.ts';

/** At what point an ask is entered: as asked and answered at once, or, where the client goes away in between, one by one. */
type Stage = 'whole' | 'asked' | 'answered';

/**
 * What a server asks of the user or the model while it serves a call. Decided like any request, with the server as what it is
 * about; the answer is decided as what then flows to the server; every ask leaves its entry beside the call's.
 */
export class Asks {
  readonly #deps: PathDeps;
  readonly #call: CallRecord;
  readonly #side: Side;
  /** Makes durable what showing something of the server's to the client presumes. */
  readonly #show: () => Promise<void>;
  /** Questions that are not dealt with. */
  readonly #open = new Set<Promise<JsonObject>>();
  /** Aborts when the call wants no more answers. */
  readonly #over = new AbortController();

  constructor(deps: PathDeps, call: CallRecord, side: Side, show: () => Promise<void>) {
    this.#deps = deps;
    this.#call = call;
    this.#side = side;
    this.#show = show;
  }

  /**
   * Asks the client and resolves with an answer that may be passed on. Rejects with ASK_REFUSED, ASK_UNANSWERED, or
   * CALL_CANCELLED when `signal` says that the answer is no longer wanted.
   */
  put(ask: Ask, signal: AbortSignal): Promise<JsonObject> {
    return this.#waitedFor(
      this.#entered('whole', ask, async (own, view) => {
        const shown = await this.#permitted(own, view, ask);
        return this.#taken(own, view, shown, await this.#asked(shown, signal));
      }),
    );
  }

  /** Enters what was not offered to the server and is not put to the client. Always rejects, with ASK_REFUSED. */
  async refuse(ask: Ask): Promise<void> {
    await this.#waitedFor(
      this.#entered('whole', ask, () => Promise.reject(new GatewayError('ASK_REFUSED', 'it was not offered'))),
    );
  }

  /** The call is over: nobody waits for answers any more. Resolves once each question that was open is entered. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.allSettled(this.#open);
  }

  /** The question as the client may be asked it, under a name that the server gave it. Rejects with ASK_REFUSED when it may not. */
  permit(ask: Ask, key = ''): Promise<Ask> {
    return this.#entered('asked', ask, (own, view) => this.#permitted(own, view, ask, key));
  }

  /** The answer that a client came back with, as it may be passed on. Rejects with ASK_REFUSED or ASK_UNANSWERED. */
  take(ask: Ask, answer: JsonObject): Promise<JsonObject> {
    return this.#entered('answered', ask, (own, view) => this.#taken(own, view, ask, answer));
  }

  async #waitedFor(question: Promise<JsonObject>): Promise<JsonObject> {
    this.#open.add(question);
    try {
      return await question;
    } finally {
      this.#open.delete(question);
    }
  }

  /** Looked through, decided, and without what is taken out of it. */
  async #permitted(own: CallRecord, view: AskView, ask: Ask, key = ''): Promise<Ask> {
    own.inspected.ran('size');
    const asked = { [key]: ask.params };
    const judged = await lookAt(this.#deps, own, asked);
    requireGeneration(this.#deps, this.#call);
    requireUnblocked(this.#deps, own, this.#planned());
    const refusal = refusalOf(judged, false) ?? nameRefusal(judged);
    this.#decide(own, view, null);
    if (refusal !== null && own.inspected.applied) throw refusal;
    if (refusal !== null) own.wouldHaveDenied = true;
    const left = await takeOut(this.#deps, own, asked, judged.removed);
    const params = member(left, key) ?? ask.params;
    const stays = labelsOf(own.inspected.applied ? judged.kept : judged.findings);
    const shown = raisedBy(this.#deps.ranks, this.#call.effective ?? this.#call.before, stays);
    own.effective = shown;
    this.#call.effective = shown;
    await this.#show();
    await learn(this.#deps, this.#call, left);
    if (params === ask.params || !isObject(params)) return ask;
    const { item } = this.#planned();
    // What is left is a question as strictly as what came.
    viewAsk({ ...ask, params }, item.server, item.name);
    return { ...ask, params };
  }

  #decide(own: CallRecord, view: AskView, answer: string | null): Decision {
    const { class: label, rank } = own.effective ?? own.before;
    const sizeBytes = Buffer.byteLength(answer ?? '');
    const response = { sizeBytes, findings: 0, kinds: [], injection: 0, class: label, classRank: rank };
    const input = decisionInput(this.#deps, own, view, own.workflow);
    const decision = decided(this.#deps, own, answer === null ? input : { ...input, response });
    own.decision = decision;
    enforce(this.#deps, own, decision, answer === null ? 'ingress' : 'egress');
    return decision;
  }

  async #taken(own: CallRecord, view: AskView, ask: Ask, answer: JsonObject): Promise<JsonObject> {
    const checked = checkAnswer(ask, answer);
    const text = stringifyJson(checked);
    own.responseHash = payloadDigest(own.salt, text);
    own.flow = await traced(this.#deps, own, checked);
    requireUnblocked(this.#deps, own, this.#planned());
    this.#decide(own, view, text);
    return checked;
  }

  /** For as long as a person may take, the call lasts, and its session stays. */
  async #asked(ask: Ask, signal: AbortSignal): Promise<JsonObject> {
    const { sessions, timers, config } = this.#deps;
    const over = new AbortController();
    const end = (code: 'ASK_UNANSWERED' | 'CALL_CANCELLED', why: string): void =>
      over.abort(new GatewayError(code, why));
    const unwanted = AbortSignal.any([signal, this.#over.signal]);
    const cancel = (): void => end('CALL_CANCELLED', 'the answer is no longer wanted');
    const letGo = sessions.onClosing(this.#call.session, () => end('ASK_UNANSWERED', 'the session is closing'));
    const stop = timers.after(config.limits.inputTimeoutMs, () => end('ASK_UNANSWERED', 'no answer in time'));
    unwanted.addEventListener('abort', cancel, { once: true });
    if (unwanted.aborted) cancel();
    try {
      return await this.#side.ask(ask, over.signal);
    } catch (error) {
      // Why it was given up is known here; whoever asked only knows that it was.
      throw over.signal.aborted ? over.signal.reason : error;
    } finally {
      unwanted.removeEventListener('abort', cancel);
      stop();
      letGo();
    }
  }

  async #entered<T>(stage: Stage, ask: Ask, work: (own: CallRecord, view: AskView) => Promise<T>): Promise<T> {
    const own = this.#begin(ask);
    try {
      const { item } = this.#planned();
      const view = viewAsk(ask, item.server, item.name);
      requireAbility(view, this.#side.abilities);
      const result = await work(own, view);
      await this.#enter(own, ask, stage, null);
      return result;
    } catch (thrown) {
      const failure = failureOf(thrown);
      await this.#enter(own, ask, stage, failure);
      if (failure.code === 'ASK_UNANSWERED' || failure.code === 'CALL_CANCELLED') throw failure;
      throw new GatewayError('ASK_REFUSED', `${failure.code}: ${failure.detail}`, { cause: failure });
    }
  }

  #planned(): NonNullable<CallRecord['plan']> {
    const { plan } = this.#call;
    if (plan === null) throw new GatewayError('INTERNAL_ERROR', 'an ask outside any plan');
    return plan;
  }

  #begin({ params }: Ask): CallRecord {
    const callId = randomUUID();
    const salt = this.#call.salt === null ? null : { callId, salt: randomBytes(16) };
    return {
      ...this.#call,
      callId,
      salt,
      entryType: 'mcp_request',
      startedMicros: this.#deps.clock.nowMicros(),
      requestHash: payloadDigest(salt, stringifyJson(params)),
      responseHash: null,
      redactions: [],
      redacted: null,
      decision: null,
      // What was approved is the call.
      approval: null,
      wouldHaveDenied: false,
      inspected: new InspectedCall(this.#call.inspected.applied),
    };
  }

  async #enter(own: CallRecord, ask: Ask, stage: Stage, failure: GatewayError | null): Promise<void> {
    const { log, clock, exposures } = this.#deps;
    if (failure !== null) reportEnd(this.#deps, own.callId, failure);
    const exposure = exposures.row(own.exposed);
    const draft = entryOf(own, ask.kind, {
      entryType: 'mcp_request',
      decision: failure === null ? releasedAs(own) : exitOf(failure.code).decision,
      rule: failure !== null && own.decision?.effect !== 'deny' ? failure.code.toLowerCase() : ruleOf(own.decision),
      // What a client answers is a request to the server, and decided as one.
      inspection: own.inspected.result ?? 'n/a',
      after: exposure,
      latencyMicros: elapsed(clock, own),
      detail: {
        during_call: this.#call.callId,
        stage,
        ...(failure === null ? {} : { error_code: failure.code }),
      },
    });
    await log.append(own.session.id, draft, { exposure, ...(own.salt === null ? {} : { salt: own.salt }) });
  }
}

/** The name that a server gives a question comes back to it as it is, so that nothing can be taken out of it. */
function nameRefusal({ removed }: Judged): GatewayError | null {
  const isNamed = removed.some(({ passage: { kind, path } }) => kind === 'name' && path.length === 1);
  return isNamed
    ? new GatewayError('RESPONSE_CONTENT_REFUSED', 'the name of the question holds what is taken out')
    : null;
}
