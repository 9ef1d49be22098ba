import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { type Caller, workflowOf } from '../caller.ts';
import type { FlowView } from '../session/flow/types.ts';
import { cedarLong, cedarRecord, cedarText } from './cedar-value.ts';
import type { Asked, DecisionInput, ManifestView } from './types.ts';

type Context = Record<string, CedarValueJson>;

/** The context of contracts section 7. @throws as `cedarRecord` and `cedarText` */
export function nativeContext({
  asked,
  session,
  flow,
  caller,
  workflow,
  response,
  approval,
  ...input
}: DecisionInput): Context {
  const context: Context = {
    ...particulars(asked),
    session: {
      class: session.class,
      class_rank: session.classRank,
      max_class: session.maxClass,
      max_class_rank: session.maxClassRank,
      in_flight: session.inFlight,
      generation: session.generation,
    },
    flow: flowContext(flow),
    caller: callerContext(caller),
    platform: input.platform,
    trust_level: input.trustLevel,
  };
  const { id, source } = workflowOf(caller, workflow) ?? {};
  if (id !== undefined && source !== undefined) context.workflow = { id: cedarText(id), source };
  if (input.manifest !== undefined) context.manifest = manifestContext(input.manifest);
  if (approval !== undefined) {
    const { approvers, channel, signed } = approval;
    context.approval = { approvers: [...approvers], channel, signed };
  }
  if (response !== undefined) {
    const { sizeBytes, findings, kinds, injection, classRank } = response;
    context.response = {
      size: sizeBytes,
      findings,
      kinds: [...kinds],
      injection,
      class: response.class,
      class_rank: classRank,
    };
  }
  return context;
}

function callerContext({ subject, source, scopes, groups, onBehalfOf }: Caller): Context {
  return {
    subject,
    source,
    scopes: [...(scopes ?? [])],
    groups: [...(groups ?? [])],
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
  };
}

function manifestContext({ id, issuer, intentHash }: ManifestView): Context {
  return { id, issuer, ...(intentHash === null ? {} : { intent_hash: intentHash }) };
}

function flowContext({ tools, servers, classes, max, complete }: FlowView): Context {
  return {
    sources: { tools: tools.map(cedarText), servers: servers.map(cedarText), classes: classes.map(cedarText) },
    max_sensitivity: max.class,
    max_sensitivity_rank: max.rank,
    complete,
  };
}

/** What one kind of request has and others have not. Texts of peers are values here, never names of members (ATK-13). */
function particulars(asked: Asked): Context {
  switch (asked.action) {
    case 'call_tool':
      return { arguments: cedarRecord(asked.arguments, 'lexeme') };
    case 'read_resource':
    case 'subscribe':
      return { uri: cedarText(asked.uri) };
    case 'get_prompt': {
      const given = Object.entries(asked.arguments);
      return {
        argument_names: given.map(([name]) => cedarText(name)),
        arguments: given.map(([name, value]) => argument(name, value)),
      };
    }
    case 'complete':
      return { argument: argument(asked.argument.name, asked.argument.value) };
    case 'elicit':
      return {
        during: cedarText(asked.during),
        mode: asked.mode,
        message: cedarText(asked.message),
        fields: asked.fields.map(cedarText),
        ...(asked.host === null ? {} : { host: cedarText(asked.host) }),
      };
    case 'sample':
      return {
        during: cedarText(asked.during),
        max_tokens: cedarLong(asked.maxTokens),
        messages: cedarLong(asked.messages),
        include_context: cedarText(asked.includeContext),
        system_prompt: asked.systemPrompt,
        tools: asked.tools,
      };
    case 'list_roots':
      return { during: cedarText(asked.during) };
    case 'get_task':
    case 'update_task':
    case 'cancel_task':
      return {};
  }
}

function argument(name: string, value: string): Context {
  return { name: cedarText(name), value: cedarText(value) };
}
