import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { asciiName } from '../claim.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import type { FlowView } from '../session/flow/types.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** What of a request is the agent's own choice of values: not the names that the catalog gives, nor handles of the gateway. */
export function carriedBy(request: GovernedRequest): JsonValue {
  const values = valuesOf(request);
  // The context of a trace goes along to the server, and holds what its sender likes.
  return Object.keys(request.trace).length === 0 ? values : [values, request.trace];
}

function valuesOf(request: GovernedRequest): JsonValue {
  switch (request.method) {
    case 'tools/call':
    case 'prompts/get':
      return { ...request.arguments };
    case 'resources/read':
      return request.uri;
    case 'completion/complete':
      return {
        argument: { ...request.argument },
        context: { ...request.context },
        uri: request.ref.kind === 'resource' ? request.ref.uri : null,
      };
    case 'tasks/update':
      return request.responses;
    default:
      return {};
  }
}

/** Finds out, once and before it is decided, where the values come from that a request carries. */
export async function trace(deps: PathDeps, record: CallRecord, plan: Plan, carried: JsonValue): Promise<void> {
  record.carried = carried;
  record.flow = await traced(deps, record, carried, plan.inputSchema);
}

/** Where the values come from that flow to a server. */
export async function traced(
  deps: Pick<PathDeps, 'exposures'>,
  { exposed }: Pick<CallRecord, 'exposed'>,
  value: JsonValue,
  schema: JsonObject | null = null,
): Promise<FlowView> {
  const { flow } = deps.exposures;
  return await flow.trace(exposed, { value, schema }, () => deps.exposures.row(exposed));
}

/** Remembers where the values come from that are about to be shown: to be awaited before they are. */
export async function learn(deps: PathDeps, record: CallRecord, shown: JsonValue): Promise<void> {
  if (record.plan === null) return;
  const { name, server, complianceDomain: domain } = record.plan.item;
  const source = { tool: name, server: server.id, domain, sensitivity: record.effective ?? record.before };
  await deps.exposures.flow.learn(record.exposed, { source, value: shown, sent: record.carried });
}

/** How an entry says it: names, classes and whether that is all, never a value. */
export function flowEntry(flow: FlowView | null): JsonObject | null {
  if (flow === null) return null;
  return {
    tools: flow.tools.map(asciiName),
    servers: flow.servers.map(asciiName),
    domains: flow.domains.map(asciiName),
    classes: flow.classes.map(asciiName),
    max_sensitivity: asciiName(flow.max.class),
    complete: flow.complete ? 1 : 0,
  };
}
