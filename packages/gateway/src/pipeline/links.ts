import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { linkedResource } from '../catalog/resources.ts';
import { GatewayError } from '../errors.ts';
import { enforces } from '../policy/mode.ts';
import { rankOf } from '../policy/sensitivity.ts';
import { higher } from '../session/exposure.ts';
import { type Rewriting, rewritten } from './content.ts';
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
  const before = record.withheldLinks;
  const isAllowed = (block: JsonValue): boolean => {
    const linked = linkedIn(block);
    if (linked === null || isReadable(deps, record, plan, linked)) return true;
    record.withheldLinks += 1;
    return false;
  };
  const passed = rewritten(plan, result, rewriting(plan, isAllowed));
  requireSome(result, passed);
  return record.withheldLinks === before ? result : passed;
}

/** What was asked for is decided already; a server may add the contents of others. */
function rewriting(plan: Plan, isAllowed: (block: JsonValue) => boolean): Rewriting {
  const asked = member(plan.params, 'uri');
  return {
    block: (block) => (isAllowed(block) ? block : WITHHELD),
    content: (content) => {
      if (isObject(content) && member(content, 'uri') === asked) return content;
      return isAllowed({ type: 'resource', resource: content }) ? content : null;
    },
  };
}

function requireSome(before: JsonObject, after: JsonObject): void {
  const [came, left] = [member(before, 'contents'), member(after, 'contents')];
  if (!Array.isArray(came) || !Array.isArray(left) || left.length > 0 || came.length === 0) return;
  throw new GatewayError('EGRESS_DENIED', 'the answer holds only resources that were not asked for');
}

/** A resource in an answer: named by a link, or there with its content. */
interface Linked {
  uri: JsonValue | undefined;
  embedded: boolean;
}

/** The resource that a content block links to or carries; null for other blocks. */
function linkedIn(block: JsonValue): Linked | null {
  if (!isObject(block)) return null;
  if (member(block, 'type') === 'resource_link') return { uri: member(block, 'uri'), embedded: false };
  if (member(block, 'type') !== 'resource') return null;
  const resource = member(block, 'resource');
  return { uri: isObject(resource) ? member(resource, 'uri') : undefined, embedded: true };
}

function isReadable(deps: PathDeps, record: CallRecord, plan: Plan, { uri, embedded }: Linked): boolean {
  const { catalog } = record.session.authority;
  const resource = typeof uri === 'string' ? linkedResource(catalog, plan.item.server, uri) : null;
  if (resource === null || typeof uri !== 'string' || !deps.scopes.allow(record.caller, resource)) return false;
  if (record.session.manifest?.scope(resource) === false) return false;
  const asked = { action: 'read_resource' as const, resource, uri };
  const decision = decided(deps, record, decisionInput(deps, record, asked, record.workflow));
  // What may be read redacted may be linked to, and is redacted when it is read; here it stands in full.
  const isAllowed = decision.effect === 'allow' || (decision.effect === 'redact' && !embedded);
  if (!isAllowed && enforces(deps.config.mode)) return false;
  // What is shown of another resource counts as that resource seen.
  const shown = { class: resource.sensitivity, rank: rankOf(deps.ranks, resource.sensitivity) };
  record.effective = higher(record.effective ?? record.before, shown);
  return true;
}
