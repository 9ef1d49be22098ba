import { nearest } from '../../../config/nearest.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { Finding } from '../../finding.ts';
import { pathOf, pathsIn } from './expression.ts';
import { type Ground, liveCases, placeOf } from './ground.ts';
import { finding } from './rules.ts';

/** Where a condition asks whether a source is among those that are known. */
interface Asked {
  /** `tools`, `servers` or `classes`. */
  kind: string;
  /** What it is asked for, where that is written out. */
  names: readonly string[];
  /** Whether a request may pass because the source is not known. */
  absencePasses: boolean;
}

/** Rules that take a flow that is not known for one that is not there, and ones that ask for sources that there are none of. */
export function flowFindings(ground: Ground): Finding[] {
  if (ground.contexts === null) return [];
  const { policies } = ground.bundle;
  const guarded = policies.some((policy) => policy.effect === 'forbid' && considersGaps(policy));
  return policies
    .filter(({ id }) => liveCases(ground, id).length > 0)
    .flatMap((policy) => {
      const asked = askedIn(policy);
      const isGuarded = considersGaps(policy) || (policy.effect === 'forbid' && guarded);
      const gap = !isGuarded && asked.some(({ absencePasses }) => absencePasses) ? [onGap(policy)] : [];
      return [...gap, ...asked.flatMap((each) => unknownSources(policy, each, ground))];
    });
}

/** What counts where not everything that was seen is remembered. */
const GAPS = ['context.flow.complete', 'context.flow.max_sensitivity', 'context.flow.max_sensitivity_rank'];

function considersGaps({ json }: BundlePolicy): boolean {
  return pathsIn(json).some((path) => GAPS.includes(path.join('.')));
}

function onGap(policy: BundlePolicy): Finding {
  const [says, fix] =
    policy.effect === 'permit'
      ? ['permits where a source is not known', 'add: && context.flow.complete']
      : [
          'lets pass where a source is not known',
          'add: || (!context.flow.complete && context.session.class_rank >= 1)',
        ];
  return finding(
    'flow-gap',
    placeOf(policy),
    `${policy.id}: ${says}, which after a restart, or once something is forgotten, says nothing of where values came from`,
    fix,
  );
}

function unknownSources(policy: BundlePolicy, { kind, names }: Asked, { catalog, ranks }: Ground): Finding[] {
  const known =
    kind === 'classes'
      ? [...ranks.keys()]
      : kind === 'servers'
        ? catalog.servers.map(({ id }) => id)
        : [...catalog.tools, ...catalog.resources, ...catalog.prompts].map(({ name }) => name);
  return names
    .filter((name) => !known.includes(name))
    .map((name) =>
      finding(
        'impossible-value',
        placeOf(policy),
        `${policy.id}: context.flow.sources.${kind} never holds ${JSON.stringify(name)}`,
        `it holds names of the catalog; did you mean ${JSON.stringify(nearest(name, known))}?`,
      ),
    );
}

/** Whether a request passes where an expression is true, or where it is false; both where nobody can say. */
type Passes = 'true' | 'false' | 'either';

function askedIn({ effect, json }: BundlePolicy): Asked[] {
  return json.conditions.flatMap(({ kind, body }) =>
    askedOf(body, (effect === 'permit') === (kind === 'when') ? 'true' : 'false'),
  );
}

function askedOf(expression: unknown, passes: Passes): Asked[] {
  if (Array.isArray(expression)) return expression.flatMap((part) => askedOf(part, 'either'));
  if (typeof expression !== 'object' || expression === null) return [];
  const [[operator, operand] = ['', null]] = Object.entries(expression);
  if (operator === 'Value') return [];
  const { left, right, arg, ...rest } = (operand ?? {}) as Record<string, unknown>;
  if (operator === '!') return askedOf(arg, opposite(passes));
  if (operator === '&&' || operator === '||') return [...askedOf(left, passes), ...askedOf(right, passes)];
  const kind = sourceKind(left) ?? sourceKind(arg) ?? sourceKind(right);
  if (kind !== null) return [{ kind, names: textsOf(right), absencePasses: passesOnAbsence(operator, passes) }];
  if (operator === 'if-then-else') {
    const { if: condition, ...branches } = rest;
    return [...askedOf(condition, 'either'), ...Object.values(branches).flatMap((each) => askedOf(each, passes))];
  }
  const parts = Array.isArray(operand) ? operand : [left, right, arg, ...Object.values(rest)];
  return parts.flatMap((part) => askedOf(part, 'either'));
}

function passesOnAbsence(operator: string, passes: Passes): boolean {
  if (operator.startsWith('contains')) return passes !== 'true';
  return operator === 'isEmpty' ? passes !== 'false' : true;
}

const opposite = (passes: Passes): Passes => (passes === 'either' ? 'either' : passes === 'true' ? 'false' : 'true');

/** Of `context.flow.sources.tools`, `tools`; null for anything else. */
function sourceKind(expression: unknown): string | null {
  const [context, flow, sources, kind, ...more] = pathOf(expression) ?? [];
  const isOne = context === 'context' && flow === 'flow' && sources === 'sources' && more.length === 0;
  return isOne ? (kind ?? null) : null;
}

/** The texts that are written out in a literal or a list of literals. */
function textsOf(expression: unknown): string[] {
  const { Value: value, Set: members } = (expression ?? {}) as { Value?: unknown; Set?: unknown[] };
  if (typeof value === 'string') return [value];
  return (members ?? []).flatMap(textsOf);
}
