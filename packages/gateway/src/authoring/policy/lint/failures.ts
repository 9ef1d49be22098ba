import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { type JsonObject, member } from '@cmcp/evidence';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { Finding } from '../../finding.ts';
import { nameOf } from './askable.ts';
import { unknown } from './expression.ts';
import { type Ground, placeOf } from './ground.ts';
import { overflowsIn } from './overflow.ts';
import { finding } from './rules.ts';
import type { Case } from './survey.ts';

/** Policies that fail on some requests: each of those is then denied, whatever else permits it (D-13). */
export function failureFindings(ground: Ground): Finding[] {
  return ground.bundle.policies.flatMap((policy) => {
    const failing = ground.survey.cases.find((each) => fails(policy, each, ground));
    if (failing !== undefined) return [failed(policy, failing)];
    return overflowsIn(policy.json) ? [overflow(policy)] : [];
  });
}

function fails({ id }: BundlePolicy, each: Case, { survey, bundle }: Ground): boolean {
  if (each.answer.fails.has(id)) return true;
  // Types exclude this in native bundles. Others can meet a call with nothing but the arguments that it must have.
  if (bundle.request === 'native' || each.asked.action !== 'call_tool') return false;
  return survey.ask(each, { arguments: leastArguments(each.asked.tool.inputSchema) })?.fails.has(id) ?? false;
}

function leastArguments(schema: JsonObject): Record<string, CedarValueJson> {
  const required = member(schema, 'required');
  const names = Array.isArray(required) ? required.filter((name) => typeof name === 'string') : [];
  return Object.fromEntries(names.map((name) => [name, unknown(`arguments.${name}`)]));
}

function failed(policy: BundlePolicy, { asked, workflow, manifest, response, approval }: Case): Finding {
  const when = [
    ...(response ? ['its answer is decided'] : []),
    ...(workflow ? ['the caller names a workflow'] : []),
    ...(manifest ? ['the session is bound to a manifest'] : []),
    ...(approval ? ['it was approved'] : []),
    ...(response || workflow || manifest || approval ? [] : ['it is decided first']),
  ];
  return finding(
    'can-fail',
    placeOf(policy),
    `${policy.id}: reads what is not there for ${nameOf(asked)} when ${when.join(' and ')}, and the request is then denied whatever permits it`,
    'test for the attribute first (context has x && context.x == …); servers and groups have no attributes',
  );
}

function overflow(policy: BundlePolicy): Finding {
  return finding(
    'can-fail',
    placeOf(policy),
    `${policy.id}: its arithmetic can leave the range of 64 bits, and the request is then denied whatever permits it`,
    'compare before you calculate, for example: context.arguments.amount <= 1000000 && context.arguments.amount * 100 < …',
  );
}
