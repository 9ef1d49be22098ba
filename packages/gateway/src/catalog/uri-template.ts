import { Automaton } from './automaton.ts';
import { uriCharacters, uriProblem } from './uri.ts';
import {
  addExpression,
  addText,
  type Expression,
  expressionShape,
  type Position,
  readExpression,
  standIns,
} from './uri-expression.ts';

/** A URI template (RFC 6570) as the catalog approves it: which URIs it stands for. */
export interface UriTemplate {
  /** As written. */
  readonly text: string;
  /** Characters that every URI of it has; of two templates for one URI, the one with more is the more specific. */
  readonly literals: number;
  /** Equal for templates that differ in the names of variables only, and so stand for the same URIs. */
  readonly shape: string;
  /** Whether `uri` is canonical and one that the template stands for. Linear in the length of `uri`. */
  matches(uri: string): boolean;
}

type Part = string | Expression;

const MAX_TEMPLATE = 1024;
const MAX_STATES = 2048;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/** The template that `text` says, or what is wrong with it, as the end of a sentence about it. */
export function parseUriTemplate(text: string): CompiledTemplate | { problem: string } {
  if (text.length > MAX_TEMPLATE) return { problem: `is longer than ${MAX_TEMPLATE} characters` };
  const parts = readParts(text);
  if ('problem' in parts) return parts;
  const [prefix] = parts;
  if (typeof prefix !== 'string' || !SCHEME.test(prefix)) {
    return { problem: 'must begin with a scheme that is written out: one for any scheme would approve everything' };
  }
  // What no URI may hold would never match, whatever the variables are.
  const problem = uriProblem(text.replaceAll(/\{[^}]*\}/g, 'x'));
  if (problem !== null) return { problem };
  const template = new CompiledTemplate(text, prefix, parts.slice(1));
  return template.states > MAX_STATES ? { problem: 'has too many variables' } : template;
}

function readParts(text: string): Part[] | { problem: string } {
  const parts: Part[] = [];
  for (const piece of text.match(/\{[^{}]*\}|[^{}]+|[{}]/g) ?? []) {
    if (piece === '{' || piece === '}') return { problem: `has a "${piece}" without its pair` };
    const part = piece.startsWith('{') ? readExpression(piece.slice(1, -1)) : piece;
    if (part === null) return { problem: `has ${piece}, which is no expression of RFC 6570 that is supported` };
    parts.push(part);
  }
  return parts;
}

/** A template as a state machine for what comes after its first literal. */
export class CompiledTemplate implements UriTemplate {
  readonly text: string;
  readonly literals: number;
  readonly shape: string;
  readonly #prefix: string;
  readonly #automaton = new Automaton();
  readonly #end: number;

  constructor(text: string, prefix: string, rest: readonly Part[]) {
    const parts = [prefix, ...rest];
    this.text = text;
    this.literals = parts.filter((part) => typeof part === 'string').join('').length;
    this.shape = parts.map((part) => (typeof part === 'string' ? part : expressionShape(part))).join('');
    this.#prefix = prefix;
    this.#end = this.#build(prefix, rest);
  }

  get states(): number {
    return this.#automaton.size;
  }

  matches(uri: string): boolean {
    return this.read(uri).accepted;
  }

  /** As {@link matches}, with the number of visits of states that it took. */
  read(uri: string): { accepted: boolean; visits: number } {
    if (!uri.startsWith(this.#prefix) || uriProblem(uri) !== null) return { accepted: false, visits: 0 };
    return this.#automaton.read(uriCharacters(uri.slice(this.#prefix.length)), this.#end);
  }

  #build(prefix: string, parts: readonly Part[]): number {
    let state = 0;
    // What certainly stands before a part, and what may.
    let before = { least: prefix, most: prefix };
    for (const part of parts) {
      const position = positionAfter(before);
      const added = typeof part === 'string' ? { least: part, most: part } : standIns(part, position);
      state =
        typeof part === 'string'
          ? addText(this.#automaton, state, part)
          : addExpression(this.#automaton, state, part, position);
      before = { least: before.least + added.least, most: before.most + added.most };
    }
    return state;
  }
}

/** On the safe side: what may be in a host, or in a query, counts as there. */
function positionAfter({ least, most }: { least: string; most: string }): Position {
  return {
    inHost: /^[^:]*:\/\/[^/?#]*$/.test(least),
    inQuery: most.includes('?'),
    afterSlash: least.endsWith('/') || most.endsWith('/'),
  };
}
