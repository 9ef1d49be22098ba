import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CatalogTool } from '../../../catalog/types.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { Finding } from '../../finding.ts';
import { dependsOn } from './expression.ts';
import { type Ground, placeOf, rulesOf } from './ground.ts';
import { finding } from './rules.ts';
import { type Case, mayHold } from './survey.ts';
import { type TelemetryUse, telemetryOf } from './telemetry.ts';

/** From this rank on, a tool is for callers that the policy knows. */
const SENSITIVE_RANK = 2;
/** The least that a gateway can prove of itself (contracts section 4). */
const LOW_TRUST = { trust_level: 'software', attestation_platform: 'software-only' };

/** A condition on any of these counts as knowing the caller: a credential says them. */
const KNOWING = ['source', 'scopes', 'groups', 'on_behalf_of'].flatMap((name) => [
  `caller.${name}`,
  `principal.${name}`,
]);

/** Permits that let sensitive tools be called by anyone, and sensitive data go out to telemetry. */
export function exposureFindings(ground: Ground): Finding[] {
  return rulesOf(ground, 'permit').flatMap((permit) => [...toAnyone(permit, ground), ...toTelemetry(permit, ground)]);
}

function toAnyone(permit: BundlePolicy, ground: Ground): Finding[] {
  const tools = callsOf(ground, ({ sensitivityRank }) => sensitivityRank >= SENSITIVE_RANK)
    .filter((call) => call.principal === null && call.groups.length === 0 && permits(permit, call, LOW_TRUST, ground))
    .map(({ asked }) => `${asked.tool.name} (${asked.tool.sensitivity})`);
  if (tools.length === 0) return [];
  return [
    finding(
      'sensitive-to-anyone',
      placeOf(permit),
      `${permit.id}: any agent, at any trust level of the gateway, may call ${[...new Set(tools)].join(', ')}`,
      'name the agents in the scope, or add: when { context.trust_level == "hardware" }',
    ),
  ];
}

function toTelemetry(permit: BundlePolicy, ground: Ground): Finding[] {
  const uses = new Map<CatalogTool, TelemetryUse>();
  for (const tool of ground.catalog.tools) {
    const use = telemetryOf(tool.server.transport);
    if (use !== null) uses.set(tool, use);
  }
  const labels = [...ground.ranks].filter(([, rank]) => rank > 0);
  const open = callsOf(ground, (tool) => uses.has(tool)).filter((call) =>
    labels.some(([label, rank]) => permits(permit, call, exposedTo(label, rank, call.asked.tool), ground)),
  );
  return [...new Set(open.map(({ asked }) => asked.tool))].map((tool) =>
    finding(
      'telemetry-egress',
      placeOf(permit),
      `${permit.id}: calls of "${tool.name}" may go to ${uses.get(tool)?.vendor} (${uses.get(tool)?.seen}) after data above public was seen`,
      `forbid (principal, action, resource == Resource::${JSON.stringify(tool.name)}) when { context.session.max_class_rank >= 1 };`,
    ),
  );
}

type Call = Case & { asked: { action: 'call_tool'; tool: CatalogTool } };

/** Calls before anything came back, in no workflow. */
function callsOf(ground: Ground, wanted: (tool: CatalogTool) => boolean): Call[] {
  return ground.survey.cases
    .filter(
      (each): each is Call => each.asked.action === 'call_tool' && !each.workflow && !each.response && !each.approval,
    )
    .filter(({ asked }) => wanted(asked.tool));
}

/** Whether the permit may let the call pass. */
function permits(permit: BundlePolicy, call: Call, known: Record<string, CedarValueJson>, ground: Ground): boolean {
  const answer = ground.survey.ask(call, known);
  if (answer === null || !mayHold(answer, permit.id) || !ground.survey.fits(permit.id, call)) return false;
  const forbids = rulesOf(ground, 'forbid');
  if (forbids.some(({ id }) => answer.holds.has(id))) return false;
  return ![permit, ...forbids].some(({ id }) => KNOWING.some((name) => dependsOn(answer.open.get(id), name)));
}

/** The session of an agent that has been shown such data, in the members of both forms of request. */
function exposedTo(label: string, rank: number, tool: CatalogTool): Record<string, CedarValueJson> {
  const [highest, highestRank] = tool.sensitivityRank > rank ? [tool.sensitivity, tool.sensitivityRank] : [label, rank];
  return {
    session: {
      class: label,
      class_rank: rank,
      max_class: highest,
      max_class_rank: highestRank,
      in_flight: 1,
      generation: 0,
    },
    session_max_sensitivity: highest,
  };
}
