import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';
import { decisionWord } from './decision-word.ts';

/**
 * How a crossing is known. `observed`: the call carried a value that an answer from the other domain had given, as the `flow` of its
 * entry says. `temporal`: it was the next call after one to a sensitive domain; nothing is known of what it carried.
 */
export type CrossingBasis = 'observed' | 'temporal';

/**
 * An edge between two compliance domains: the reference's members (wire-formats section 17.6), how it is known, and what became of the
 * call. `sequence_number` is the entry's.
 */
export interface Crossing extends JsonObject {
  from_domain: string;
  to_domain: string;
  call_id: string;
  tool_name: string;
  sequence_number: number;
  basis: CrossingBasis;
  decision: string;
}

/**
 * The disclaimer without which edges are read as more than they are. It stands in the claim wherever there is an edge: the published
 * schema of the reference does not know the member, its model does.
 */
export const EDGES_REPRESENT =
  'basis "observed": the call carried a value that an answer from from_domain gave, as the flow of its audit entry says. ' +
  'basis "temporal": the call was the next one after a call to from_domain; this is order, and no evidence that data moved. ' +
  'That no edge is observed is no evidence that nothing moved. ' +
  'An edge with a count stands for so many of them, the first of which it names.';

/** So many crossings are listed one by one; those after them are counted, by basis and domains. */
export const MAX_CROSSINGS = 256;

/** The catalog's domains for data that somebody has to answer for (wire-formats section 17.6: the reference knows only `pii` of them). */
const SENSITIVE = new Set(['pii', 'hipaa_phi', 'pci_data', 'mnpi']);

const CALL_TYPES = new Set(['tool_call', 'egress_denied', 'fault']);

/**
 * The edges between domains in a chain, worked out from its entries alone, one after the other: by the gateway for the claim, and by
 * the verifier from the chain. Members of entries are read as if they could be anything.
 */
export class CallGraph {
  readonly #crossings: Crossing[] = [];
  readonly #counted = new Map<string, Crossing & { count: number }>();
  #previousDomain: string | null = null;

  see(entry: JsonObject): void {
    const isCall = CALL_TYPES.has(typeOf(entry));
    const domain = domainOf(entry);
    for (const source of sourceDomains(entry)) if (source !== domain) this.#add('observed', source, domain, entry);
    if (!isCall) return;
    const previous = this.#previousDomain;
    if (previous !== null && SENSITIVE.has(previous) && previous !== domain) {
      this.#add('temporal', previous, domain, entry);
    }
    this.#previousDomain = domain;
  }

  #add(basis: CrossingBasis, from: string, to: string, entry: JsonObject): void {
    const key = `${basis}\n${from}\n${to}`;
    const counted = this.#counted.get(key);
    if (counted !== undefined) counted.count++;
    else if (this.#crossings.length < MAX_CROSSINGS) this.#crossings.push(crossing(basis, from, to, entry));
    else this.#counted.set(key, { ...crossing(basis, from, to, entry), count: 1 });
  }

  /** In the order of the chain; those that are only counted come last. */
  get crossings(): Crossing[] {
    return [...this.#crossings, ...this.#counted.values()];
  }
}

/** The members of `call_graph_summary` that crossings fill. Without any there is nothing to disclaim. */
export function crossingsInClaim(crossings: readonly Crossing[]): {
  cross_boundary_events: JsonObject[];
  edges_represent?: string;
} {
  const cross_boundary_events = crossings.map((item) => ({ ...item }));
  return crossings.length === 0
    ? { cross_boundary_events }
    : { cross_boundary_events, edges_represent: EDGES_REPRESENT };
}

function crossing(basis: CrossingBasis, from: string, to: string, entry: JsonObject): Crossing {
  const sequence = member(entry, 'sequence_number');
  return {
    from_domain: from,
    to_domain: to,
    call_id: printableOr(member(entry, 'call_id'), ''),
    tool_name: printableOr(member(entry, 'tool_name'), 'unknown'),
    sequence_number: Number.isSafeInteger(sequence) ? Number(sequence) : 0,
    basis,
    decision: decisionWord(typeOf(entry), printableOr(member(entry, 'policy_decision'), 'n/a')),
  };
}

const typeOf = (entry: JsonObject): string => printableOr(member(entry, 'entry_type'), '');

/** Of what was asked for. A call that met no catalog entry has none. */
function domainOf(entry: JsonObject): string {
  const detail = member(entry, 'detail');
  return printableOr(isObject(detail) ? member(detail, 'compliance_domain') : undefined, 'unknown');
}

/** The domains whose answers gave values that the entry's call carried. */
function sourceDomains(entry: JsonObject): Set<string> {
  const flow = member(entry, 'flow');
  const domains = isObject(flow) ? member(flow, 'domains') : undefined;
  return new Set(Array.isArray(domains) ? domains.map((domain) => printableOr(domain, 'unknown')) : []);
}

/** Claims are printable ASCII (defect C-03). */
function printableOr(value: JsonValue | undefined, otherwise: string): string {
  return typeof value === 'string' && /^[\x20-\x7e]*$/.test(value) ? value : otherwise;
}
