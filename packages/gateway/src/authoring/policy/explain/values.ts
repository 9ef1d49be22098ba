import type { CedarValueJson, Expr } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from '../../../policy/request.ts';
import { expressionText, questionOf } from './condition.ts';
import type { Answers, Inquiry } from './inquiry.ts';

/** What a condition reads, and what that is in the request. */
export interface NamedValue {
  name: string;
  /** As Cedar writes it; null: the request has no such member. */
  value: string | null;
}

/** A value read off the request, which counts once Cedar says that it is so. */
export interface Candidate extends NamedValue {
  question: string;
}

type Path = [root: string, ...attributes: string[]];

const MAX_SHOWN = 200;

/** What is read anywhere inside `expression`, each once. */
export function valuesIn(expression: Expr, request: CedarRequest): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const path of pathsIn(expression)) {
    const candidate = candidateAt(path, request);
    if (candidate !== null) found.set(candidate.name, candidate);
  }
  return [...found.values()];
}

export function askAbout(candidates: readonly Candidate[], inquiry: Inquiry): void {
  inquiry.add(...candidates.map(({ question }) => question));
}

/** The candidates that the engine agrees with. */
export function confirmed(candidates: readonly Candidate[], answers: Answers): NamedValue[] {
  return candidates
    .filter(({ question }) => answers(question).truth === 'true')
    .map(({ name, value }) => ({ name, value }));
}

/** `context.arguments.to` as its names; null for what is no chain of attributes of a variable. */
export function pathOf(expression: Expr): Path | null {
  if ('Var' in expression && typeof expression.Var === 'string') return [expression.Var];
  if (!('.' in expression) || Array.isArray(expression['.'])) return null;
  const { left, attr } = expression['.'];
  const before = pathOf(left);
  return before === null ? null : [...before, attr];
}

export function nameOf([root, ...attributes]: Path): string {
  const steps = attributes.map((name) => (/^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`));
  return root + steps.join('');
}

function* pathsIn(expression: unknown): Generator<Path> {
  if (typeof expression !== 'object' || expression === null) return;
  const path = pathOf(expression as Expr);
  if (path !== null) return yield path;
  const { has } = expression as { has?: { left: Expr; attr: string | string[] } };
  const before = has === undefined ? null : pathOf(has.left);
  if (has !== undefined && before !== null) return yield [...before, ...[has.attr].flat()];
  for (const inner of Object.values(expression)) yield* pathsIn(inner);
}

function candidateAt(path: Path, request: CedarRequest): Candidate | null {
  const [root, ...attributes] = path;
  if (attributes.length === 0) return root === 'context' ? null : entityCandidate(root, request);
  const name = nameOf(path);
  const read = valueAt(path, request);
  if (read === undefined) {
    const has = { has: { left: { Var: root }, attr: attributes } } as unknown as Expr;
    return { name, value: null, question: questionOf({ '!': { arg: has } }) };
  }
  const literal = literalOf(read);
  const left = attributes.reduce<Expr>((inner, attr) => ({ '.': { left: inner, attr } }), { Var: root } as Expr);
  return { name, value: shown(expressionText(literal)), question: questionOf({ '==': { left, right: literal } }) };
}

function entityCandidate(root: string, request: CedarRequest): Candidate | null {
  const entity = root === 'principal' ? request.principal : root === 'action' ? request.action : request.resource;
  const literal: Expr = { Value: { __entity: entity } };
  const question = questionOf({ '==': { left: { Var: root } as Expr, right: literal } });
  return { name: root, value: shown(expressionText(literal)), question };
}

function valueAt([root, ...attributes]: Path, request: CedarRequest): CedarValueJson | undefined {
  const resource = request.entities.find(({ uid }) => {
    const { type, id } = '__entity' in uid ? uid.__entity : uid;
    return type === request.resource.type && id === request.resource.id;
  });
  let value: CedarValueJson | undefined;
  if (root === 'context') value = request.context;
  else if (root === 'resource') value = resource?.attrs;
  for (const name of attributes) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, CedarValueJson>)[name];
  }
  return value;
}

/** A value of the request as an expression. */
function literalOf(value: CedarValueJson): Expr {
  if (Array.isArray(value)) return { Set: value.map(literalOf) };
  if (typeof value !== 'object' || value === null) return { Value: value };
  const members = Object.entries(value).map(([name, inner]) => [name, literalOf(inner as CedarValueJson)] as const);
  return { Record: Object.fromEntries(members) };
}

function shown(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
