import { type Expr, type PolicyJson, policyToText } from '@cedar-policy/cedar-wasm/nodejs';
import { clausesOf } from '../../../policy/clauses.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';

/** A part of a condition that Cedar can be asked about by itself. */
export interface Condition {
  /** As Cedar writes it. */
  text: string;
  /** The permit that applies where this holds. */
  question: string;
  /** Null where the text was kept as it stands, because Cedar's JSON form might say something else. */
  expression: Expr | null;
  /** What it is made of: all of, one of, or not; null for what is not cut any further. */
  made: { of: 'all' | 'any' | 'not'; parts: Condition[] } | null;
}

/** One `when` or `unless` of a policy. */
export interface Clause {
  text: string;
  condition: Condition;
  /** What its condition has to be for the policy to apply. */
  wanted: boolean;
}

export const EVERYTHING = { principal: { op: 'All' }, action: { op: 'All' }, resource: { op: 'All' } } as const;
const ANY_SCOPE = 'permit (principal, action, resource)';
/** Deeper, and Cedar may not take the JSON form back. */
const MAX_DEPTH = 60;

/** The clauses of a policy, cut where they say `&&`, `||` and `!`. */
export function clausesIn({ text, json }: Pick<BundlePolicy, 'text' | 'json'>): Clause[] {
  const { clauses } = clausesOf(text);
  return clauses.map((written, index) => {
    const clause = json.conditions[index];
    const plain = withoutMargins(written.text);
    const cut = clause === undefined || !isExact(clause.body, 0) ? null : conditionOf(clause.body);
    if (cut !== null) return { text: plain, condition: cut, wanted: clause?.kind === 'when' };
    const whole = { text: plain, question: `${ANY_SCOPE} ${written.text};`, expression: null, made: null };
    return { text: plain, condition: whole, wanted: true };
  });
}

/** The permit for whatever `policy` applies to, and those for the parts of its scope. */
export function scopeQuestions({ text, json }: Pick<BundlePolicy, 'text' | 'json'>): {
  policy: string;
  principal: string;
  action: string;
  resource: string;
} {
  const { principal, action, resource } = json;
  const scope = permitText({ ...EVERYTHING, principal, action, resource });
  const conditions = clausesOf(text).clauses.map((clause) => clause.text);
  return {
    // As written: Cedar's JSON form rounds large numbers.
    policy: `${scope.replace(/;\s*$/, '')}${conditions.join('')};`,
    principal: permitText({ ...EVERYTHING, principal }),
    action: permitText({ ...EVERYTHING, action }),
    resource: permitText({ ...EVERYTHING, resource }),
  };
}

/** The permit that applies where `expression` holds. */
export function questionOf(expression: Expr): string {
  return permitText({ ...EVERYTHING }, [{ kind: 'when', body: expression }]);
}

/** `expression` as Cedar writes it. */
export function expressionText(expression: Expr): string {
  const [clause] = clausesOf(questionOf(expression)).clauses;
  return withoutMargins(clause?.text ?? '')
    .replace(/^when\s*\{/, '')
    .replace(/\}$/, '')
    .trim();
}

function conditionOf(expression: Expr): Condition {
  const itself = { text: expressionText(expression), question: questionOf(expression), expression };
  const all = operands(expression, '&&');
  if (all !== null) return { ...itself, made: { of: 'all', parts: all.map(conditionOf) } };
  const any = operands(expression, '||');
  if (any !== null) return { ...itself, made: { of: 'any', parts: any.map(conditionOf) } };
  if ('!' in expression && !Array.isArray(expression['!'])) {
    return { ...itself, made: { of: 'not', parts: [conditionOf(expression['!'].arg)] } };
  }
  return { ...itself, made: null };
}

/** `a && b && c` is nested to the left; its three operands stand side by side here. */
function operands(expression: Expr, operator: '&&' | '||'): Expr[] | null {
  const node = (expression as Record<string, unknown>)[operator] as { left: Expr; right: Expr } | undefined;
  if (node === undefined) return null;
  return [node.left, node.right].flatMap((side) => operands(side, operator) ?? [side]);
}

function permitText(
  scope: Pick<PolicyJson, 'principal' | 'action' | 'resource'>,
  conditions: PolicyJson['conditions'] = [],
): string {
  const answer = policyToText({ effect: 'permit', ...scope, conditions });
  if (answer.type === 'success') return answer.text;
  throw new Error(`Cedar does not write what it read: ${answer.errors.map(({ message }) => message).join('; ')}`);
}

/** Whether Cedar's JSON form says what the text says. */
function isExact(value: unknown, depth: number): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  return depth < MAX_DEPTH && Object.values(value).every((inner) => isExact(inner, depth + 1));
}

function withoutMargins(text: string): string {
  return text.replace(/^(?:\s|\/\/[^\n]*)+/, '').trim();
}
