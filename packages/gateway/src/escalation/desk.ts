import { canonicalSorted, digest, type EntryDraft } from '@cmcp/evidence';
import type { AuditLog } from '../audit/types.ts';
import type { Clock } from '../clock.ts';
import type { ApprovalsConfig } from '../config/approvals.ts';
import { GatewayError } from '../errors.ts';
import type { Monotonic } from '../session/freshness.ts';
import type { Sessions } from '../session/sessions.ts';
import { approvedBy, outstanding, requireEntitled } from './entitled.ts';
import { answeredEntry, expiredEntry, requestedEntry, usedEntry } from './entries.ts';
import type { ApprovalDesk, ApprovalDraft, ApprovalRequest, Used, Verdict } from './types.ts';

export interface DeskDeps {
  settings: Pick<ApprovalsConfig, 'maxOpen' | 'maxOpenPerCaller'> & { maxBytes: number };
  log: Pick<AuditLog, 'append'>;
  sessions: Pick<Sessions, 'hold' | 'leave' | 'isOpen'>;
  monotonic: Monotonic;
  newId: () => string;
  /** What entries are stamped with: an approval ends by whichever clock says so first. */
  clock: Clock;
}

/** Calls that wait for an answer: each holds a connection, and its place in the session. */
const MAX_HELD = 256;
const MAX_HELD_PER_CALLER = 8;

type State = 'opening' | 'open' | 'approved' | 'refused';

/** A request, and what has become of it. */
export interface Kept {
  readonly request: ApprovalRequest;
  /** The same for calls that ask for the same thing. */
  readonly call: string;
  readonly bytes: number;
  /** On the monotonic clock. */
  readonly endsAt: number;
  state: State;
  /** A verdict is being entered. */
  busy: boolean;
  readonly verdicts: Verdict[];
  /** Resolves once it is entered. */
  entered: Promise<unknown>;
  readonly waiting: Set<(verdict: Verdict | null) => void>;
}

/**
 * Requests for approval, in memory alone and bounded: after a restart they are asked for again. Each step is in the chain before it takes
 * effect, and an approval is gone in the turn in which it is used.
 */
export class Desk implements ApprovalDesk {
  readonly #deps: DeskDeps;
  /** From the oldest to the newest. */
  readonly #kept = new Map<string, Kept>();
  #ended = false;
  readonly #listeners = new Set<(request: ApprovalRequest) => void>();

  constructor(deps: DeskDeps) {
    this.#deps = deps;
  }

  /** `listener` is told of each new request, once it is entered. */
  onOpened(listener: (request: ApprovalRequest) => void): void {
    this.#listeners.add(listener);
  }

  async open(draft: ApprovalDraft): Promise<ApprovalRequest> {
    const call = callOf(draft);
    const same = this.#present().filter((each) => each.call === call);
    if (same.some(({ state }) => state === 'refused'))
      throw new GatewayError('APPROVAL_REFUSED', 'the same call was refused before, by whoever was asked');
    const known = same.find((each) => covers(each, draft));
    const kept = known ?? this.#begin(draft, call);
    await kept.entered;
    return kept.request;
  }

  async answer(id: string, verdict: Verdict): Promise<void> {
    const kept = this.find(id);
    if (kept.state !== 'open') throw new GatewayError('INVALID_PARAMS', `${id} was answered already: ${kept.state}`);
    if (kept.busy) throw new GatewayError('INVALID_PARAMS', `${id} is being answered by somebody else`);
    requireEntitled(kept.request, kept.verdicts, verdict);
    const left = outstanding(kept.request.escalations, [...kept.verdicts, verdict]).length;
    kept.busy = true;
    try {
      if (!(await this.#enter(kept.request, answeredEntry(kept.request, verdict, left)))) throw isOver(id);
      kept.verdicts.push(verdict);
      if (!verdict.approved) kept.state = 'refused';
      else if (left === 0) kept.state = 'approved';
    } finally {
      kept.busy = false;
    }
    if (kept.state !== 'open') tell(kept, verdict);
  }

  async answered(id: string, signal: AbortSignal): Promise<Verdict | null> {
    const kept = this.#present().find(({ request }) => request.id === id);
    if (kept === undefined) return null;
    if (kept.state === 'approved' || kept.state === 'refused') return kept.verdicts.at(-1) ?? null;
    if (this.#ended || signal.aborted || !this.#mayHold(kept)) return null;
    return await new Promise((resolve) => {
      const end = (verdict: Verdict | null): void => {
        kept.waiting.delete(end);
        signal.removeEventListener('abort', given);
        resolve(verdict);
      };
      const given = (): void => end(null);
      signal.addEventListener('abort', given, { once: true });
      kept.waiting.add(end);
    });
  }

  async use(draft: ApprovalDraft, named: string | null): Promise<Used | null> {
    const call = callOf(draft);
    const kept = this.#present().find(
      (each) =>
        each.state === 'approved' &&
        each.call === call &&
        (named === null || named === each.request.id) &&
        covers(each, draft),
    );
    if (kept === undefined) return null;
    const { request, verdicts } = kept;
    // In the turn that found it: nobody else finds it.
    this.#kept.delete(request.id);
    const entry = usedEntry(request, draft.callId);
    await this.#deps.log.append(request.binding.session_id, entry);
    const policies = request.escalations.map(({ policyId }) => policyId).sort();
    return { id: request.id, ...approvedBy(policies, verdicts) };
  }

  /** Those that wait for an answer, or to be used. */
  list(): Kept[] {
    return this.#present().filter(({ state }) => state !== 'opening');
  }

  /** @throws GatewayError INVALID_PARAMS */
  find(id: string): Kept {
    const kept = this.list().find(({ request }) => request.id === id);
    if (kept === undefined) throw isOver(id);
    return kept;
  }

  /** How long one may still be answered and used, in milliseconds. */
  left({ endsAt }: Kept): number {
    return Math.max(0, endsAt - this.#deps.monotonic());
  }

  /** Forgets what is over; what nobody answered, or nobody used, is entered as expired. */
  async sweep(): Promise<void> {
    const present = new Set(this.#present());
    const over = [...this.#kept.values()].filter(
      (each) => !present.has(each) && !each.busy && each.state !== 'opening',
    );
    for (const { request } of over) this.#kept.delete(request.id);
    for (const kept of over) {
      for (const end of [...kept.waiting]) end(null);
      if (kept.state !== 'refused') await this.#enter(kept.request, expiredEntry(kept.request, kept.state));
    }
  }

  /** Nobody waits any more: the gateway stops, and what is asked is asked again of its successor. */
  end(): void {
    this.#ended = true;
    for (const { waiting } of this.#kept.values()) for (const end of [...waiting]) end(null);
  }

  #begin(draft: ApprovalDraft, call: string): Kept {
    const bytes = canonicalSorted(draft.arguments).length;
    this.#requireRoom(draft, bytes);
    const id = this.#deps.newId();
    const request: ApprovalRequest = { ...draft, id, binding: { ...draft.binding, approval_id: id } as never };
    const lasts = (draft.expiresMicros - draft.requestedMicros) / 1000;
    const kept: Kept = {
      ...{ request, call, bytes, state: 'opening', busy: false, verdicts: [], waiting: new Set() },
      endsAt: this.#deps.monotonic() + lasts,
      entered: Promise.resolve(),
    };
    this.#kept.set(id, kept);
    kept.entered = this.#entered(kept);
    return kept;
  }

  async #entered(kept: Kept): Promise<void> {
    const { request } = kept;
    try {
      await this.#deps.log.append(request.binding.session_id, requestedEntry(request));
    } catch (error) {
      this.#kept.delete(request.id);
      throw error;
    }
    kept.state = 'open';
    for (const listener of this.#listeners) listener(request);
  }

  /** Enters what is no part of a call; false when the session takes no more. */
  async #enter({ binding }: ApprovalRequest, entry: EntryDraft): Promise<boolean> {
    const { sessions, log } = this.#deps;
    const session = sessions.hold(binding.session_id);
    if (session === null) return false;
    try {
      await log.append(session.id, entry);
      return true;
    } finally {
      sessions.leave(session);
    }
  }

  #requireRoom({ binding: { owner } }: ApprovalDraft, bytes: number): void {
    const { maxOpen, maxOpenPerCaller, maxBytes } = this.#deps.settings;
    const all = [...this.#kept.values()];
    const own = all.filter(({ request }) => request.binding.owner === owner);
    const total = all.reduce((sum, each) => sum + each.bytes, bytes);
    if (all.length < maxOpen && own.length < maxOpenPerCaller && total <= maxBytes) return;
    throw new GatewayError('OVERLOADED', 'too many requests for approval are kept already');
  }

  #mayHold({ request }: Kept): boolean {
    const all = [...this.#kept.values()];
    const held = (some: readonly Kept[]): number => some.reduce((sum, { waiting }) => sum + waiting.size, 0);
    const own = all.filter((each) => each.request.binding.owner === request.binding.owner);
    return held(all) < MAX_HELD && held(own) < MAX_HELD_PER_CALLER;
  }

  /** An approval ends with its time, and with its session: calls of a session that is closing were asked for under the one before. */
  #present(): Kept[] {
    const { monotonic, clock, sessions } = this.#deps;
    const [now, stamp] = [monotonic(), clock.nowMicros()];
    return [...this.#kept.values()].filter(
      ({ endsAt, request }) =>
        now < endsAt && stamp < request.expiresMicros && sessions.isOpen(request.binding.session_id),
    );
  }
}

/** Everything that has to be the same for an approval to be of a call, but for the salt of its digest and the policies that asked. */
function callOf({ binding, action, arguments: args, declared, generation }: ApprovalDraft): string {
  const { arguments_digest: _, policy_ids: __, expires_at: ___, ...same } = binding;
  return digest(canonicalSorted({ ...same, action, arguments: args, declared: { ...declared }, generation }));
}

/** Whether everything is asked for that a decision wants. */
function covers({ request: { escalations } }: Kept, wanted: ApprovalDraft): boolean {
  return wanted.escalations.every((each) => escalations.some(({ policyId }) => policyId === each.policyId));
}

function tell({ waiting }: Kept, verdict: Verdict): void {
  for (const end of [...waiting]) end(verdict);
}

function isOver(id: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', `nothing waits as ${id}; it may be over, used or expired`);
}
