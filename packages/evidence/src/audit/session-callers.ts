import { member } from '../json/value.ts';
import { type ChainEntry, isCall, textOf } from './chain-entry.ts';
import type { Witness } from './observer.ts';

/** Who made requests in a session, as its entries say: what no verdict depends on. */
export interface SessionCaller {
  caller: string;
  /** How the gateway knew: `bearer`, `oauth`, `svid`, `jwt-svid` or `stdio`. */
  source: string;
  /** The user whom a credential named. */
  on_behalf_of: string | null;
  workflow: string | null;
  /** `signed` by the credential, or `asserted` by the caller alone. */
  workflow_source: 'signed' | 'asserted' | null;
  /** How many entries of requests name all this. */
  requests: number;
}

/** So many can be looked through; the rest counts as nobody in particular. */
const MAX_CALLERS = 100;

/** Collects who called. */
export class SessionCallers implements Witness {
  readonly #callers = new Map<string, SessionCaller>();

  see(entry: ChainEntry): void {
    if (!isCall(entry) && entry.type !== 'mcp_request') return;
    const found = callerOf(entry);
    if (found === null) return;
    const key = JSON.stringify(Object.values(found));
    const known = this.#callers.get(key);
    if (known !== undefined) known.requests++;
    else if (this.#callers.size < MAX_CALLERS) this.#callers.set(key, { ...found, requests: 1 });
  }

  /** Null where no entry names one. */
  get found(): SessionCaller[] | null {
    return this.#callers.size === 0 ? null : [...this.#callers.values()];
  }
}

function callerOf({ raw, detail }: ChainEntry): Omit<SessionCaller, 'requests'> | null {
  const caller = textOf(raw, 'caller');
  if (caller === null) return null;
  const said = member(detail ?? {}, 'workflow_source');
  const workflow = textOf(raw, 'workflow_id');
  return {
    caller,
    source: textOf(raw, 'caller_source') ?? 'unknown',
    on_behalf_of: textOf(raw, 'on_behalf_of'),
    workflow,
    // Where an entry does not say it, nobody signed it.
    workflow_source: workflow === null ? null : said === 'signed' ? 'signed' : 'asserted',
  };
}
