import type { CedarValueJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import { workflowOf } from '../caller.ts';
import type { Catalog, CatalogTool } from '../catalog/types.ts';
import { cedarRecord, cedarText, NotEvaluable } from './cedar-value.ts';
import type { CedarRequest, CedarScope, RequestBuilder } from './request.ts';
import { refuseBundle } from './text.ts';
import type { Asked, DecisionInput } from './types.ts';

/** `Type::"id"` as Cedar writes an entity; the id without escapes. */
const ENTITY_UID = /^((?:[A-Za-z_][A-Za-z0-9_]*::)*[A-Za-z_][A-Za-z0-9_]*)::"([^"\\]*)"$/;

type ToolCall = Extract<Asked, { action: 'call_tool' }>;

/**
 * The request that the reference makes (wire-formats section 5), for bundles written for it. At egress the ingress members
 * stay, so that a forbid that reads them decides instead of failing (defect W-21). The reference asks about calls of tools
 * only, so nothing else can be permitted.
 *
 * @throws GatewayError POLICY_INVALID when two tools of the catalog would be one action
 */
export function compatRequests(catalog: Catalog): RequestBuilder {
  refuseSharedActions(catalog);
  return {
    build: (input) => (input.asked.action === 'call_tool' ? build(input, input.asked) : null),
    scope: (_caller, asked) => (asked.action === 'call_tool' ? scopeOf(asked.tool) : null),
    principalKey: () => '',
    // Nothing says beforehand what Cedar reads of it.
    fits: () => false,
    groupsOf: () => [],
    explain: () => 'Cedar cannot read the request',
  };
}

/** The reference's action of a tool: parts between `_` capitalised and joined. `crm_get_customer` is `CrmGetCustomer`. */
export function compatAction(tool: string): string {
  return tool
    .split('_')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join('');
}

function build(input: DecisionInput, call: ToolCall): CedarRequest {
  const context: Record<string, CedarValueJson> = { ...ingressContext(input, call), ...egressContext(input) };
  const workflow = workflowOf(input.caller, input.workflow);
  if (workflow !== null) context.workflow_id = cedarText(workflow.id);
  return { ...scopeOf(call.tool), context };
}

function scopeOf({ name }: CatalogTool): CedarScope {
  return {
    principal: { type: 'Agent', id: 'anonymous' },
    action: { type: 'Action', id: compatAction(name) },
    resource: resourceOf(name),
    entities: [],
  };
}

function ingressContext(
  { session, response, platform }: DecisionInput,
  { tool, arguments: given }: ToolCall,
): Record<string, CedarValueJson> {
  const raised = response !== undefined && response.classRank > session.maxClassRank;
  return {
    arguments: cedarRecord(given, 'python'),
    server_identity: tool.server.identity,
    compliance_domain: tool.complianceDomain,
    baa_covered: !tool.requiresBaa,
    destination_class: 'external',
    session_max_sensitivity: raised ? response.class : session.maxClass,
    attestation_platform: platform,
  };
}

function egressContext({ session, response }: DecisionInput): Record<string, CedarValueJson> {
  if (response === undefined) return {};
  return {
    egress: true,
    sensitivity_level: Math.max(session.maxClassRank, response.classRank),
    injection_events: response.injection,
    reset_count: session.generation,
    response_size_bytes: response.sizeBytes,
  };
}

/** A name that holds `::` is an entity by itself. */
function resourceOf(tool: string): TypeAndId {
  const entity = resourceEntity(tool);
  if (entity === null) throw new NotEvaluable('the tool name is not a Cedar entity');
  return entity;
}

/** The reference's resource of a tool; a name with `::` is itself an entity, or null when it is not one. */
export function resourceEntity(tool: string): TypeAndId | null {
  if (!tool.includes('::')) return { type: 'Resource', id: tool };
  const [, type, id] = ENTITY_UID.exec(tool) ?? [];
  return type === undefined || id === undefined ? null : { type, id };
}

/** `read_file` and `read__file` would share one action: a permit for one would be a permit for both. */
function refuseSharedActions(catalog: Catalog): void {
  const holders = new Map<string, string>();
  for (const { name } of catalog.tools) {
    const action = compatAction(name);
    const other = holders.get(action);
    if (other !== undefined) {
      throw refuseBundle(
        'manifest.json',
        `the catalog's tools "${other}" and "${name}" would both be Action::"${action}"; rename one, or use "cmcp_request": 1`,
      );
    }
    holders.set(action, name);
  }
}
