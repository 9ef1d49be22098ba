import type { Catalog, CatalogPrompt, CatalogResource, Labels } from '../catalog/types.ts';
import { asciiName } from '../claim.ts';
import { GatewayError } from '../errors.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { type Ranks, rankOf } from '../policy/sensitivity.ts';
import { higher, type Sensitivity } from '../session/exposure.ts';
import type { PathDeps } from './deps.ts';
import { requireUnchanged } from './drift.ts';
import { requireNotOver } from './exception.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

type Of<M extends GovernedRequest['method']> = Extract<GovernedRequest, { method: M }>;

/** Against the approved catalog only: no traffic before the policy has decided (defect W-32). */
export function resolve(deps: PathDeps, record: CallRecord, request: GovernedRequest): Plan {
  const plan = planOf(deps, record.session.authority.catalog, request);
  requireNotOver(plan);
  record.plan = plan;
  record.effective = effectiveClass(deps.ranks, plan.item, request.dataClass);
  if (request.method === 'tasks/get') record.redactions = deps.tasks.open(request.taskId, request.caller).redactions;
  requireUnchanged(record, plan);
  return plan;
}

function planOf(deps: PathDeps, catalog: Catalog, request: GovernedRequest): Plan {
  switch (request.method) {
    case 'tools/call':
      return toolPlan(catalog, request);
    case 'resources/read':
      return resourcePlan(catalog, request.uri, 'read_resource');
    case 'prompts/get':
      return promptPlan(catalog, request);
    case 'completion/complete':
      return completionPlan(catalog, request);
    default:
      return taskPlan(deps, catalog, request);
  }
}

function toolPlan(catalog: Catalog, { name, arguments: args }: Of<'tools/call'>): Plan {
  const tool = catalog.resolve(name);
  if (tool === null) throw new GatewayError('TOOL_NOT_IN_CATALOG', `no tool ${asciiName(name)}`);
  return {
    asked: { action: 'call_tool', tool, arguments: args },
    item: tool,
    pinned: tool,
    effects: tool.effects,
    method: 'tools/call',
    params: { name: tool.upstreamName, arguments: args },
    inputSchema: tool.inputSchema,
    contentDigest: null,
  };
}

/** @throws GatewayError RESOURCE_NOT_IN_CATALOG */
export function resourcePlan(catalog: Catalog, uri: string, action: 'read_resource' | 'subscribe'): Plan {
  const resource = resourceOf(catalog, uri);
  return {
    asked: { action, resource, uri },
    item: resource,
    pinned: null,
    effects: 'read',
    method: 'resources/read',
    params: { uri },
    inputSchema: null,
    contentDigest: resource.contentDigest,
  };
}

function resourceOf(catalog: Catalog, uri: string): CatalogResource {
  const resource = catalog.resolveResource(uri);
  if (resource === null) throw new GatewayError('RESOURCE_NOT_IN_CATALOG', `no resource ${asciiName(uri)}`);
  return resource;
}

function promptOf(catalog: Catalog, name: string): CatalogPrompt {
  const prompt = catalog.resolvePrompt(name);
  if (prompt === null) throw new GatewayError('PROMPT_NOT_IN_CATALOG', `no prompt ${asciiName(name)}`);
  return prompt;
}

function promptPlan(catalog: Catalog, { name, arguments: args }: Of<'prompts/get'>): Plan {
  const prompt = promptOf(catalog, name);
  return {
    asked: { action: 'get_prompt', prompt, arguments: args },
    item: prompt,
    pinned: prompt,
    effects: 'read',
    method: 'prompts/get',
    params: { name: prompt.upstreamName, arguments: { ...args } },
    inputSchema: null,
    contentDigest: prompt.contentDigest,
  };
}

function completionPlan(catalog: Catalog, { ref, argument, context }: Of<'completion/complete'>): Plan {
  const completed = completionTarget(catalog, ref);
  return {
    asked: { action: 'complete', of: completed.item, argument },
    ...completed,
    effects: 'read',
    method: 'completion/complete',
    params: {
      ref: completed.ref,
      argument: { ...argument },
      ...(Object.keys(context).length === 0 ? {} : { context: { arguments: { ...context } } }),
    },
    inputSchema: null,
    contentDigest: null,
  };
}

function completionTarget(catalog: Catalog, ref: Of<'completion/complete'>['ref']) {
  if (ref.kind === 'prompt') {
    const prompt = promptOf(catalog, ref.name);
    return { item: prompt, pinned: prompt, ref: { type: 'ref/prompt', name: prompt.upstreamName } };
  }
  const template = catalog.resources.find(
    ({ pattern }) => pattern.kind === 'template' && pattern.template.text === ref.uri,
  );
  return { item: template ?? resourceOf(catalog, ref.uri), pinned: null, ref: { type: 'ref/resource', uri: ref.uri } };
}

const TASK_ACTIONS = {
  'tasks/get': 'get_task',
  'tasks/update': 'update_task',
  'tasks/cancel': 'cancel_task',
} as const;

/** A task belongs to whoever's call made it (MCP25-16), and is governed as its tool. */
function taskPlan(
  { tasks }: PathDeps,
  catalog: Catalog,
  request: Of<'tasks/get' | 'tasks/update' | 'tasks/cancel'>,
): Plan {
  const task = tasks.open(request.taskId, request.caller);
  const tool = catalog.resolve(task.tool);
  if (tool === null) throw new GatewayError('TOOL_NOT_IN_CATALOG', `no tool ${asciiName(task.tool)} any more`);
  return {
    asked: { action: TASK_ACTIONS[request.method], tool },
    item: tool,
    pinned: tool,
    effects: request.method === 'tasks/get' ? 'read' : tool.effects,
    method: request.method,
    params: { taskId: task.id },
    inputSchema: null,
    contentDigest: null,
  };
}

/** What an answer about `item` may show: its catalog level, or the class that the caller declares where that is higher. */
export function effectiveClass(ranks: Ranks, item: Labels, declared: string | null): Sensitivity {
  const approved: Sensitivity = { class: item.sensitivity, rank: rankOf(ranks, item.sensitivity) };
  if (declared === null) return approved;
  return higher(approved, { class: declared, rank: rankOf(ranks, declared) });
}
