import type { Clock } from '../../clock.ts';
import type { CallbackConfig } from '../../config/approval-callback.ts';
import { GatewayError } from '../../errors.ts';
import type { Received } from '../../operator/route.ts';
import type { Timers } from '../../timers.ts';
import type { HttpEndpoint } from '../../upstream/http-endpoint.ts';
import { type Posted, post } from '../../upstream/post.ts';
import type { ApprovalDesk, ApprovalRequest } from '../types.ts';
import { approvalRequested, MAX_ANSWER_BYTES, readAnswer } from './message.ts';
import { SeenMessages } from './seen-messages.ts';
import type { SignedFields, WebhookSecret } from './signature.ts';

export interface CallbackDeps {
  settings: CallbackConfig;
  secret: WebhookSecret;
  endpoint: Pick<HttpEndpoint, 'send' | 'close'>;
  desk: Pick<ApprovalDesk, 'answer'>;
  /** Names of the configuration's approvers that a name counts as. */
  approversOf: (name: string) => readonly string[];
  clock: Clock;
  timers: Timers;
  newId: () => string;
  report: (event: string, detail: string) => void;
}

/** A request that could not be delivered is delivered again after these waits, as long as it may be answered at all. */
const AGAIN_MS: readonly number[] = [1_000, 5_000, 25_000, 125_000];

/**
 * The operator's machine that is asked about calls that policy defers. It is sent a signed request, and answers in the response or
 * later, on a route of its own: signed either way, under the secret that both hold. Without an answer the request expires, which
 * denies (AARM-R4, AISVS-9.6.2).
 */
export class ApprovalCallback {
  readonly #deps: CallbackDeps;
  readonly #seen: SeenMessages;
  readonly #waits = new Set<() => void>();

  constructor(deps: CallbackDeps) {
    this.#deps = deps;
    this.#seen = new SeenMessages(deps.clock);
  }

  /** Delivers a request; failures are the operator's to see, and end in no answer. */
  deliver(request: ApprovalRequest): void {
    void this.#deliver(request, 0);
  }

  /**
   * Takes an answer about the approval `id`.
   * @throws GatewayError UNAUTHENTICATED when it is not signed, not now, or not new; INVALID_PARAMS for another approval than its
   * own; and what the desk throws
   */
  async receive(id: string, { bytes: body, field }: Received): Promise<void> {
    const signed = signedFields(field);
    if (signed === null || !this.#deps.secret.verifies(signed, body))
      throw new GatewayError('UNAUTHENTICATED', 'the answer is not signed with the secret of the callback');
    this.#seen.take(signed['webhook-id'], Number(signed['webhook-timestamp']));
    const { approvalId, approved, reason } = readAnswer(body);
    if (approvalId !== id) throw new GatewayError('INVALID_PARAMS', 'the answer is about another approval');
    const { desk, settings, approversOf } = this.#deps;
    const by = settings.name;
    const approvers = approversOf(by);
    await desk.answer(id, { approved, by, approvers, channel: 'callback', reason, signature: null });
  }

  async close(): Promise<void> {
    for (const stop of this.#waits) stop();
    await this.#deps.endpoint.close();
  }

  async #deliver(request: ApprovalRequest, attempt: number): Promise<void> {
    const { report } = this.#deps;
    try {
      const answer = await this.#posted(request);
      if (answer.body.length > 0) await this.receive(request.id, receivedIn(answer));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      report('approval.callback', `${request.id}: ${error.detail}`);
      if (error.code === 'UPSTREAM_UNAVAILABLE') this.#again(request, attempt);
    }
  }

  #posted(request: ApprovalRequest): Promise<Posted> {
    const { settings, secret, endpoint, clock, timers, newId } = this.#deps;
    const body = approvalRequested(request, settings.sendArguments);
    const fields = Object.entries(secret.sign(newId(), Math.floor(clock.nowMicros() / 1e6), body));
    const limits = { timeoutMs: settings.timeoutMs, maxAnswerBytes: MAX_ANSWER_BYTES };
    const accepts = (status: number): boolean => status >= 200 && status < 300;
    const failure = (why: string): GatewayError => new GatewayError('UPSTREAM_UNAVAILABLE', `the callback: ${why}`);
    return post(endpoint, { body, fields, ...limits, accepts, failure }, timers);
  }

  #again(request: ApprovalRequest, attempt: number): void {
    const { clock, timers } = this.#deps;
    const wait = AGAIN_MS[attempt];
    if (wait === undefined || clock.nowMicros() + wait * 1000 >= request.expiresMicros) return;
    const stop = timers.after(wait, () => {
      this.#waits.delete(stop);
      void this.#deliver(request, attempt + 1);
    });
    this.#waits.add(stop);
  }
}

function signedFields(field: Received['field']): SignedFields | null {
  const [id, at, signature] = [field('webhook-id'), field('webhook-timestamp'), field('webhook-signature')];
  if (id === null || at === null || signature === null || !/^[1-9]\d{0,11}$/.test(at)) return null;
  return { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature };
}

function receivedIn({ headers, body }: Posted): Received {
  const field = (name: string): string | null => {
    const value = headers[name];
    return typeof value === 'string' ? value : null;
  };
  return { bytes: body, field };
}
