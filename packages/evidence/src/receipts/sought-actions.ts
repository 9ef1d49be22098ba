import { type ChainEntry, isCall } from '../audit/chain-entry.ts';
import type { Witness } from '../audit/observer.ts';
import type { WireClaim } from '../claim/wire.ts';
import type { ActionEvidence, Expectations } from '../expectations.ts';
import { type Finding, failed, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import type { JsonObject } from '../json/value.ts';
import type { Check } from '../report.ts';
import { verifyEmbodiedAction } from './embodied.ts';
import { parseEmbodiedPayload } from './embodied-payload.ts';

/** A detached payload, and the call that it says it is of. */
interface Sought {
  action: ActionEvidence;
  call: { id: string } | { problem: string };
}

/** Looks for the calls that detached payloads of embodied actions are of (wire-formats section 14.2); each has one entry. */
export class SoughtActions implements Witness {
  readonly #sought: readonly Sought[];
  readonly #wanted: ReadonlySet<string>;
  readonly #found = new Map<string, JsonObject>();

  constructor(actions: readonly ActionEvidence[]) {
    this.#sought = actions.map((action) => ({ action, call: callOf(action) }));
    this.#wanted = new Set(this.#sought.flatMap(({ call }) => ('id' in call ? [call.id] : [])));
  }

  see(entry: ChainEntry): void {
    const { callId } = entry;
    if (callId !== null && isCall(entry) && this.#wanted.has(callId)) this.#found.set(callId, entry.raw);
  }

  /** What each payload and its receipt show, with numbered ids. */
  async checks(claim: WireClaim, { controllerKeys = [], now, maxAgeSeconds }: Expectations): Promise<Check[]> {
    const checks: Check[] = [];
    for (const [i, { action, call }] of this.#sought.entries()) {
      const ask = (finding: Finding): Check =>
        required(`action.${i + 1}`, `Is the action in ${action.source} in the chain?`, finding);
      const entry = 'id' in call ? this.#found.get(call.id) : undefined;
      if ('problem' in call) checks.push(ask(failed(call.problem)));
      else if (entry === undefined) checks.push(ask(failed(`no entry of the chain is of call ${call.id}`)));
      else {
        const clock = { ...(now !== undefined && { now }), ...(maxAgeSeconds !== undefined && { maxAgeSeconds }) };
        const result = await verifyEmbodiedAction(entry, action.payload, { claim, keys: controllerKeys, ...clock });
        checks.push(...result.checks.map((check) => ({ ...check, id: `action.${i + 1}.${check.id}` })));
      }
    }
    return checks;
  }
}

function callOf({ payload }: ActionEvidence): Sought['call'] {
  try {
    return { id: parseEmbodiedPayload(payload).call_id };
  } catch (error) {
    if (error instanceof FormatError) return { problem: error.message };
    throw error;
  }
}
