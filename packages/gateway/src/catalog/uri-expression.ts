import type { Automaton, CharacterSet } from './automaton.ts';
import { uriCharacters } from './uri.ts';

/** One expression of a URI template: `{+path}`, `{?from,to}`, `{id:8}`. */
export interface Expression {
  operator: string;
  variables: Variable[];
}

interface Variable {
  name: string;
  /** Given any number of times. */
  repeated: boolean;
  /** Most characters of its value; null: any number. */
  most: number | null;
}

/** Where in a URI an expression stands, as far as it matters for what may be put there. */
export interface Position {
  inHost: boolean;
  inQuery: boolean;
  afterSlash: boolean;
}

/** What RFC 6570 says of an operator. */
interface Operator {
  first: string;
  separator: string;
  /** `name=value` instead of the value alone. */
  named: boolean;
  /** Whether nothing at all is an expansion too. */
  optional: boolean;
}

const PLAIN: Operator = { first: '', separator: ',', named: false, optional: false };
const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['', PLAIN],
  ['+', PLAIN],
  ['#', { first: '#', separator: ',', named: false, optional: true }],
  ['.', { first: '.', separator: '.', named: false, optional: true }],
  ['/', { first: '/', separator: '/', named: false, optional: true }],
  [';', { first: ';', separator: ';', named: true, optional: true }],
  ['?', { first: '?', separator: '&', named: true, optional: true }],
  ['&', { first: '&', separator: '&', named: true, optional: true }],
]);

const VARIABLE = '[A-Za-z0-9_.%-]+(?:\\*|:[1-9][0-9]{0,3})?';
const EXPRESSION = new RegExp(`^([+#./;?&]?)(${VARIABLE}(?:,${VARIABLE})*)$`);
const MAX_PREFIX = 255;

const UNRESERVED = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~';
/** In a host, no more than RFC 6570 itself expands to: an `@` or a `:` there would name another host. */
const HOST: CharacterSet = { plain: UNRESERVED, encoded: true, encodedSlash: false };
/** RFC 6570 encodes more, but clients write these as they are. No `/`, `?` or `#`, and no encoded slash. */
const SEGMENT: CharacterSet = { plain: `${UNRESERVED}!$&'()*+,;=:@`, encoded: true, encodedSlash: false };
/** A value that is one parameter's and cannot begin another. */
const PARAMETER: CharacterSet = { plain: `${UNRESERVED}!$'()*+,;=:@/?`, encoded: true, encodedSlash: true };
/** A part of the path cannot become a parameter. */
const QUERY_SEGMENT: CharacterSet = without(SEGMENT, '&');
const MATRIX: CharacterSet = without(SEGMENT, ';');
/** All but `#`: a fragment is approved as one, or not at all. */
const RESERVED: CharacterSet = { plain: `${UNRESERVED}!$&'()*+,;=:@/?[]`, encoded: true, encodedSlash: true };
/** After a slash another one would make the rest absolute for a server that resolves it as a path. */
const RELATIVE: CharacterSet = { ...without(RESERVED, '/'), encodedSlash: false };

/** Null for what is no expression, and for a prefix that is longer than any value ought to be. */
export function readExpression(text: string): Expression | null {
  const [, operator = '', list] = EXPRESSION.exec(text) ?? [];
  if (list === undefined) return null;
  const variables = list.split(',').map((spec): Variable => {
    const [name = '', most] = spec.replace('*', '').split(':');
    return { name, repeated: spec.endsWith('*'), most: most === undefined ? null : Number(most) };
  });
  return variables.some(({ most }) => most !== null && most > MAX_PREFIX) ? null : { operator, variables };
}

/** The shortest text that an expression always leaves, and one that shows where it can lead. */
export function standIns({ operator }: Expression, { inHost }: Position): { least: string; most: string } {
  const { first, optional } = operatorOf(operator);
  const shown = operator === '+' && inHost ? '/x' : `${first}x`;
  return { least: optional ? '' : shown, most: shown };
}

/** The same for expressions that stand for the same: without the names of variables, where a URI does not hold them. */
export function expressionShape({ operator, variables }: Expression): string {
  const { named } = operatorOf(operator);
  const shapes = variables.map(
    ({ name, repeated, most }) => `${named ? name : ''}${repeated ? '*' : ''}:${most ?? ''}`,
  );
  return `{${operator}${shapes.join(',')}}`;
}

/**
 * Adds an expression after the state `from`, and returns the state after it. Variables may be left out, the others keep their
 * order (RFC 6570 section 3.2.1).
 */
export function addExpression(automaton: Automaton, from: number, expression: Expression, position: Position): number {
  const { first, separator, optional } = operatorOf(expression.operator);
  let given: number | null = null;
  for (const variable of expression.variables) {
    const start = automaton.add();
    automaton.skip(addText(automaton, from, first), start);
    if (given !== null) automaton.skip(addText(automaton, given, separator), start);
    const end = addVariable(automaton, start, expression.operator, variable, position);
    if (variable.repeated) automaton.skip(addText(automaton, end, separator), start);
    if (given !== null) automaton.skip(given, end);
    given = end;
  }
  if (given === null) return from;
  if (optional) automaton.skip(from, given);
  return given;
}

/** Adds `text` after the state `from`, and returns the state after it. */
export function addText(automaton: Automaton, from: number, text: string): number {
  let state = from;
  for (const character of uriCharacters(text)) {
    const next = automaton.add();
    automaton.move(state, character, next);
    state = next;
  }
  return state;
}

interface Value {
  first: CharacterSet;
  rest: CharacterSet;
  least: 0 | 1;
  most: number | null;
}

function addVariable(
  automaton: Automaton,
  from: number,
  operator: string,
  { name, most }: Variable,
  position: Position,
): number {
  if (operatorOf(operator).named) {
    const named = addText(automaton, from, name);
    const set = operator === ';' ? MATRIX : PARAMETER;
    const end = addValue(automaton, addText(automaton, named, '='), { first: set, rest: set, least: 0, most });
    if (operator === ';') automaton.skip(named, end);
    return end;
  }
  if (operator === '+' && position.inHost) {
    // The host ends here, whatever follows.
    const left = most === null ? null : most - 1;
    return addValue(automaton, addText(automaton, from, '/'), {
      first: RELATIVE,
      rest: RESERVED,
      least: 0,
      most: left,
    });
  }
  const rest = valueSet(operator, position);
  const first = operator === '+' && position.afterSlash ? RELATIVE : rest;
  return addValue(automaton, from, { first, rest, least: 1, most });
}

function valueSet(operator: string, { inHost, inQuery }: Position): CharacterSet {
  if (operator === '+' || operator === '#') return RESERVED;
  if (inHost && operator !== '/') return HOST;
  return inQuery ? QUERY_SEGMENT : SEGMENT;
}

function addValue(automaton: Automaton, from: number, { first, rest, least, most }: Value): number {
  const end = automaton.add();
  if (least === 0) automaton.skip(from, end);
  let state = from;
  for (let count = 0; count < (most ?? 1); count += 1) {
    const next = automaton.add();
    automaton.move(state, count === 0 ? first : rest, next);
    automaton.skip(next, end);
    state = next;
  }
  if (most === null) automaton.move(state, rest, state);
  return end;
}

function operatorOf(operator: string): Operator {
  return OPERATORS.get(operator) ?? PLAIN;
}

function without(set: CharacterSet, character: string): CharacterSet {
  return { ...set, plain: set.plain.replace(character, '') };
}
