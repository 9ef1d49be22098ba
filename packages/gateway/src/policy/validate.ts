import {
  checkParseSchema,
  type Expr,
  type PolicyJson,
  type ValidationAnswer,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs';
import { TOOL_GROUP } from './actions.ts';
import { type BundlePolicy, cedarError } from './parse.ts';
import { type BundleText, lineAt, refuseBundle } from './text.ts';

/**
 * Checks native policies against the bundle's own schema, in Cedar's strict mode (defect W-21). Returns Cedar's warnings,
 * each with file and line.
 *
 * @throws GatewayError POLICY_INVALID with file and line
 */
export function validatePolicies(
  files: readonly BundleText[],
  schema: BundleText,
  policies: readonly BundlePolicy[],
): string[] {
  const parsed = checkParseSchema(schema.text);
  if (parsed.type === 'failure') throw cedarError(schema, parsed.errors, 'not a Cedar schema');
  refuseGroupEquality(policies);
  return files.flatMap((file) => validateFile(file, schema));
}

function validateFile(file: BundleText, schema: BundleText): string[] {
  const answer = strictAnswer(file, schema);
  if (answer.type === 'failure') throw cedarError(file, answer.errors, 'cannot be validated');
  const [first] = answer.validationErrors;
  if (first !== undefined) throw cedarError(file, [first.error], 'does not fit schema.cedarschema');
  return answer.validationWarnings.map(({ error }) => {
    const start = error.sourceLocations?.[0]?.start ?? 0;
    return `${file.path}:${lineAt(file.text, start)}: ${error.message}`;
  });
}

/** All that Cedar has to say of the policies of one file under a schema. */
export function strictAnswer(file: BundleText, schema: BundleText): ValidationAnswer {
  return validate({
    schema: schema.text,
    policies: { staticPolicies: file.text },
    validationSettings: { mode: 'strict' },
  });
}

/**
 * `action == Action::"call_tool"` type-checks and never matches: requests name a tool, which is *in* call_tool. So does a list
 * with the group in it, where membership of the list is equality.
 */
function refuseGroupEquality(policies: readonly BundlePolicy[]): void {
  for (const { path, line, json } of policies) {
    if (!comparesGroup(json)) continue;
    throw refuseBundle(
      path,
      'compares action with Action::"call_tool", which never matches; write: action in Action::"call_tool"',
      line,
    );
  }
}

function comparesGroup({ action, conditions }: PolicyJson): boolean {
  if (action.op === '==' && 'entity' in action && isGroup(action.entity)) return true;
  return conditions.some(({ body }) => comparesGroupIn(body));
}

function comparesGroupIn(expression: Expr): boolean {
  const nodes: unknown[] = [expression];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    if (typeof node !== 'object' || node === null) continue;
    for (const [operator, value] of Object.entries(node)) {
      if (COMPARES.includes(operator) && isGroupComparison(value)) return true;
      nodes.push(value);
    }
  }
  return false;
}

/** `in` is missing: it asks for membership of the group. */
const COMPARES: readonly string[] = ['==', '!=', 'contains', 'containsAll', 'containsAny'];

function isGroupComparison(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('left' in value) || !('right' in value)) return false;
  const sides = [...membersOf(value.left), ...membersOf(value.right)];
  return sides.some(isActionVariable) && sides.some((side) => isGroup(literalOf(side)));
}

/** The members of a list that is written out; anything else is its own only member. */
function membersOf(side: unknown): unknown[] {
  return typeof side === 'object' && side !== null && 'Set' in side && Array.isArray(side.Set) ? side.Set : [side];
}

function isActionVariable(side: unknown): boolean {
  return typeof side === 'object' && side !== null && 'Var' in side && side.Var === 'action';
}

function literalOf(side: unknown): unknown {
  return typeof side === 'object' && side !== null && 'Value' in side ? side.Value : undefined;
}

function isGroup(entity: unknown): boolean {
  if (typeof entity !== 'object' || entity === null) return false;
  if ('__entity' in entity) return isGroup(entity.__entity);
  return 'type' in entity && 'id' in entity && entity.type === 'Action' && entity.id === TOOL_GROUP;
}
