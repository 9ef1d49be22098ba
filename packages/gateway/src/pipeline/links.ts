import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { linkedResource } from '../catalog/resources.ts';
import { GatewayError } from '../errors.ts';
import { rankOf } from '../policy/sensitivity.ts';
import { higher } from '../session/exposure.ts';
import { decisionInput } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

const WITHHELD: JsonObject = {
  type: 'text',
  text: '[A resource was withheld: it is not in the approved catalog, or policy does not let this agent read it.]',
};

/**
 * An answer in which every resource that it links to or carries is one that this caller may read from this server; the others
 * are replaced by a note that says so, and counted in the record. The same object where nothing had to be.
 *
 * @throws GatewayError EGRESS_DENIED when nothing of the answer is left
 */
export function withoutForbiddenLinks(deps: PathDeps, record: CallRecord, plan: Plan, result: JsonObject): JsonObject {
  const mayRead = (uri: JsonValue | undefined): boolean => isReadable(deps, record, plan, uri);
  const before = record.withheldLinks;
  const passed = rewritten(plan, result, (block) => {
    const uri = uriOf(block);
    if (uri === null || mayRead(uri.uri)) return block;
    record.withheldLinks += 1;
    return null;
  });
  return record.withheldLinks === before ? result : passed;
}

type Filter = (block: JsonValue) => JsonValue | null;

function rewritten(plan: Plan, result: JsonObject, filter: Filter): JsonObject {
  switch (plan.method) {
    case 'tools/call':
      return withBlocks(result, filter);
    case 'tasks/get': {
      const inner = member(result, 'result');
      return isObject(inner) ? { ...result, result: withBlocks(inner, filter) } : result;
    }
    case 'prompts/get':
      return withMessages(result, filter);
    case 'resources/read':
      return withContents(result, plan, filter);
    default:
      return result;
  }
}

function withBlocks(result: JsonObject, filter: Filter): JsonObject {
  const content = member(result, 'content');
  if (!Array.isArray(content)) return result;
  return { ...result, content: content.map((block) => filter(block) ?? WITHHELD) };
}

function withMessages(result: JsonObject, filter: Filter): JsonObject {
  const messages = member(result, 'messages');
  if (!Array.isArray(messages)) return result;
  const kept = messages.map((message) => {
    if (!isObject(message)) return message;
    return { ...message, content: filter(member(message, 'content') ?? null) ?? WITHHELD };
  });
  return { ...result, messages: kept };
}

/** What was asked for is decided already; a server may add the contents of others. */
function withContents(result: JsonObject, plan: Plan, filter: Filter): JsonObject {
  const contents = member(result, 'contents');
  if (!Array.isArray(contents)) return result;
  const asked = member(plan.params, 'uri');
  const kept = contents.filter((content) => {
    if (isObject(content) && member(content, 'uri') === asked) return true;
    return filter({ type: 'resource', resource: content }) !== null;
  });
  if (kept.length === 0 && contents.length > 0) {
    throw new GatewayError('EGRESS_DENIED', 'the answer holds only resources that were not asked for');
  }
  return { ...result, contents: kept };
}

/** The URI that a content block links to or carries; null for other blocks. */
function uriOf(block: JsonValue): { uri: JsonValue | undefined } | null {
  if (!isObject(block)) return null;
  if (member(block, 'type') === 'resource_link') return { uri: member(block, 'uri') };
  if (member(block, 'type') !== 'resource') return null;
  const resource = member(block, 'resource');
  return { uri: isObject(resource) ? member(resource, 'uri') : undefined };
}

function isReadable(deps: PathDeps, record: CallRecord, plan: Plan, uri: JsonValue | undefined): boolean {
  const { catalog } = record.session.authority;
  const resource = typeof uri === 'string' ? linkedResource(catalog, plan.item.server, uri) : null;
  if (resource === null || typeof uri !== 'string') return false;
  const asked = { action: 'read_resource' as const, resource, uri };
  const decision = decided(deps, record, decisionInput(deps, record, asked, record.workflow));
  if (decision.effect !== 'allow' && deps.config.mode !== 'advisory') return false;
  // What is shown of another resource counts as that resource seen.
  const shown = { class: resource.sensitivity, rank: rankOf(deps.ranks, resource.sensitivity) };
  record.effective = higher(record.effective ?? record.before, shown);
  return true;
}
