import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { CatalogServer } from '../catalog/types.ts';
import type { Approved, Asked, DecisionInput, ManifestView } from './types.ts';

/** The described request that reads back, under the same catalog and vocabulary, to an equal decision input. */
export function scenarioOf({
  caller,
  asked,
  session,
  flow,
  workflow,
  response,
  approval,
  ...input
}: DecisionInput): JsonObject {
  const described: JsonObject = {
    caller: callerMembers(caller),
    ...askedMembers(asked),
    session: {
      class: session.class,
      max_class: session.maxClass,
      in_flight: session.inFlight,
      generation: session.generation,
    },
    flow: {
      tools: [...flow.tools],
      servers: [...flow.servers],
      classes: [...flow.classes],
      max_sensitivity: flow.max.class,
      complete: flow.complete,
    },
    workflow,
    platform: input.platform,
    trust_level: input.trustLevel,
    ...(approval === undefined ? {} : { approval: approvalMembers(approval) }),
    ...(input.manifest === undefined ? {} : { manifest: manifestMembers(input.manifest) }),
  };
  if (response === undefined) return described;
  const { sizeBytes: size, findings, kinds, injection } = response;
  return { ...described, response: { size, findings, kinds: [...kinds], injection, class: response.class } };
}

function approvalMembers({ policies, approvers, channel, signed }: Approved): JsonObject {
  return { policies: [...policies], approvers: [...approvers], channel, signed };
}

function callerMembers({ subject, source, scopes, groups, onBehalfOf, workflow }: Caller): JsonObject {
  return {
    subject,
    source,
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    ...(groups === undefined ? {} : { groups: [...groups] }),
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
    ...(workflow === undefined ? {} : { workflow }),
  };
}

function manifestMembers({ id, issuer, intentHash }: ManifestView): JsonObject {
  return { id, issuer, ...(intentHash === null ? {} : { intent_hash: intentHash }) };
}

/** The members that say `asked`. */
function askedMembers(asked: Asked): JsonObject {
  switch (asked.action) {
    case 'call_tool':
      return { call: asked.tool.name, arguments: asked.arguments };
    case 'read_resource':
      return { read: asked.uri, resource: asked.resource.name };
    case 'subscribe':
      return { subscribe: asked.uri, resource: asked.resource.name };
    case 'get_prompt':
      return { prompt: asked.prompt.name, arguments: { ...asked.arguments } };
    case 'complete': {
      const of = 'pattern' in asked.of ? { resource: asked.of.name } : { prompt: asked.of.name };
      return { complete: { ...of, argument: { ...asked.argument } } };
    }
    case 'get_task':
    case 'update_task':
    case 'cancel_task':
      return { task: { action: asked.action, tool: asked.tool.name } };
    case 'elicit': {
      const { mode, message, fields, host } = asked;
      const particulars = mode === 'url' ? { host, fields: [...fields] } : { fields: [...fields] };
      return { elicit: { ...by(asked), mode, message, ...particulars } };
    }
    case 'sample': {
      const { maxTokens: max_tokens, messages, includeContext: include_context, tools } = asked;
      const system_prompt = asked.systemPrompt;
      return { sample: { ...by(asked), max_tokens, messages, include_context, system_prompt, tools } };
    }
    case 'list_roots':
      return { list_roots: by(asked) };
  }
}

function by({ server, during }: { server: CatalogServer; during: string }): JsonObject {
  return { server: server.id, during };
}
