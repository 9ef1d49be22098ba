import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';
import type { Crossing } from './call-graph.ts';
import { type ChainEntry, textOf } from './chain-entry.ts';
import { decisionWord } from './decision-word.ts';
import type { Witness } from './observer.ts';

/** A call that carried values of earlier answers, as the `flow` of its entry says: names and classes, never values. */
export interface CarryingCall {
  /** Its entry's. */
  sequence_number: number;
  call_id: string | null;
  tool_name: string | null;
  decision: string;
  /** The tools, resources and prompts whose answers gave the values. */
  sources: string[];
  max_sensitivity: string;
  /** False: something was seen that was not remembered, so that there may be sources that are not named. */
  complete: boolean;
}

/** Where the values of a session went, for a person: what no verdict depends on beyond the check `summary.crossings`. */
export interface SessionFlow {
  /** The first calls that carried something. */
  carrying: CarryingCall[];
  /** How many more there were. */
  more: number;
  /** The edges between domains, which the claim has to name. */
  crossings: Crossing[];
}

/** So many can be looked through. */
const MAX_CARRYING = 100;

/** Collects the calls that carried values of earlier answers. */
export class ValueFlows implements Witness {
  readonly #carrying: CarryingCall[] = [];
  #more = 0;

  see(entry: ChainEntry): void {
    const flow = member(entry.raw, 'flow');
    if (!isObject(flow)) return;
    const sources = texts(member(flow, 'tools'));
    if (sources.length === 0) return;
    if (this.#carrying.length === MAX_CARRYING) this.#more++;
    else this.#carrying.push(carryingCall(entry, flow, sources));
  }

  /** Null where there is nothing to show. */
  with(crossings: Crossing[]): SessionFlow | null {
    const carrying = this.#carrying;
    return carrying.length + crossings.length === 0 ? null : { carrying, more: this.#more, crossings };
  }
}

function carryingCall(entry: ChainEntry, flow: JsonObject, sources: string[]): CarryingCall {
  return {
    sequence_number: entry.sequence,
    call_id: entry.callId,
    tool_name: entry.toolName,
    decision: decisionWord(entry.type, entry.decision),
    sources,
    max_sensitivity: textOf(flow, 'max_sensitivity') ?? 'unknown',
    complete: member(flow, 'complete') === 1,
  };
}

function texts(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
