import type { TrustLevel } from '../../../attestation/types.ts';
import type { CatalogTool } from '../../../catalog/types.ts';
import { nearest } from '../../../config/nearest.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { Finding } from '../../finding.ts';
import { type ArgumentType, argumentAt } from './argument-types.ts';
import { type Comparison, comparisonsIn } from './comparisons.ts';
import { declares } from './declared.ts';
import { type Ground, liveCases, placeOf, toolsIn } from './ground.ts';
import { finding } from './rules.ts';
import { mayHold } from './survey.ts';

/** Comparisons with texts that arguments can slip past, or that nothing can ever equal. */
export function matchFindings(ground: Ground): Finding[] {
  return ground.bundle.policies.flatMap((policy) =>
    comparisonsIn(policy.json).flatMap((comparison) => [
      ...impossible(policy, comparison, ground),
      ...voided(policy, comparison, ground),
    ]),
  );
}

function impossible(policy: BundlePolicy, { path, texts }: Comparison, ground: Ground): Finding[] {
  const possible = possibleValues(policy, path, ground);
  const wrong = possible === null ? [] : (texts ?? []).filter((text) => !possible.includes(text));
  return wrong.map((text) =>
    finding(
      'impossible-value',
      placeOf(policy),
      `${policy.id}: ${path.join('.')} is never ${JSON.stringify(text)}`,
      possible?.length === 0
        ? 'remove the comparison'
        : `it is one of ${possible?.join(', ')}; did you mean ${JSON.stringify(nearest(text, possible ?? []))}?`,
    ),
  );
}

/** The texts that an attribute can have in requests that the policy is about; null where that is not known. */
function possibleValues(policy: BundlePolicy, path: readonly string[], ground: Ground): string[] | null {
  const [variable, first, ...inside] = path;
  if (variable !== 'context' || first === undefined) return null;
  if (first === 'arguments') return listedValues(toolsIn(liveCases(ground, policy.id)), inside);
  const member = [first, ...inside].join('.');
  return CLASSES.has(member) ? [...ground.ranks.keys()] : (CLOSED.get(member) ?? null);
}

/** Labels of the vocabulary. */
const CLASSES = new Set([
  'session.class',
  'session.max_class',
  'flow.max_sensitivity',
  'response.class',
  'session_max_sensitivity',
]);
const TRUST_LEVELS: TrustLevel[] = ['hardware', 'operator-root', 'software-tpm', 'unverified', 'software'];
const CLOSED: ReadonlyMap<string, string[]> = new Map([
  ['trust_level', TRUST_LEVELS],
  ['mode', ['form', 'url']],
]);

/** What the approved schemas of all these tools limit an argument to, taken together. */
function listedValues(tools: readonly CatalogTool[], inside: readonly string[]): string[] | null {
  const types = tools.flatMap(({ inputSchema }) => argumentAt(inputSchema, inside) ?? []);
  if (types.length === 0 || types.some(({ values }) => values === null)) return null;
  return types.flatMap(({ values }) => (values ?? []).filter((value) => typeof value === 'string'));
}

function voided(policy: BundlePolicy, { path, towards }: Comparison, ground: Ground): Finding[] {
  const [variable, first, ...inside] = path;
  // An argument that is no text keeps an equality from holding: that is the evasion of a forbid, and of `!=` in a permit.
  if (variable !== 'context' || first !== 'arguments' || !towards.has(policy.effect === 'forbid')) return [];
  const evading = inScope(policy, ground).filter((tool) => evades(tool, inside, ground));
  if (evading.length === 0) return [];
  const names = evading.map(({ name }) => name).join(', ');
  const how =
    ground.contexts === null ? 'need not be a text' : 'is not in schema.cedarschema, because it need not be a text';
  return [
    finding(
      'void-match',
      placeOf(policy),
      `${policy.id}: ${path.join('.')} ${how} in calls of ${names}, and any other form slips past this`,
      'approve an input schema in which it is of type "string" alone, or decide on the tool without this argument',
    ),
  ];
}

/** Tools that the policy is about, whether or not the types of their arguments let it hold. */
function inScope({ id }: BundlePolicy, { survey }: Ground): CatalogTool[] {
  return toolsIn(survey.cases.filter(({ answer }) => mayHold(answer, id)));
}

/** Whether a call of the tool can carry the argument in a form that no comparison with a text sees. */
function evades(tool: CatalogTool, inside: readonly string[], { contexts }: Ground): boolean {
  const described = argumentAt(tool.inputSchema, inside);
  if (described === null || !admitsOthers(described)) return false;
  // An attribute that the bundle's schema declares has its type: a call with another is refused.
  return contexts === null || !declares(contexts.get(tool.name), ['arguments', ...inside]);
}

function admitsOthers({ types }: ArgumentType): boolean {
  return types === null || [...types].some((type) => type !== 'string');
}
