/** The parameters of the requests that are governed in every revision, read strictly: a wrong type is refused, never guessed at. */
import { isObject, type JsonObject, type JsonValue, member, setMember } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { GovernedRequest, RequestContext } from './types.ts';

/** What a request asks for, without who asks and how: the members of a GovernedRequest that are its own. */
export type Asked = OwnMembers<GovernedRequest>;
type OwnMembers<Request> = Request extends RequestContext ? Omit<Request, keyof RequestContext> : never;

type Read = (params: JsonObject) => Asked;

const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['tools/call', readToolCall],
  ['resources/read', (params) => ({ method: 'resources/read', uri: text(params, 'uri') })],
  ['prompts/get', readPromptGet],
  ['completion/complete', readComplete],
]);

/**
 * What `method` asks for; null when it is none of those that both families have.
 * @throws GatewayError INVALID_PARAMS
 */
export function readGoverned(method: string, params: JsonObject): Asked | null {
  return READERS.get(method)?.(params) ?? null;
}

function readToolCall(params: JsonObject): Asked {
  const args = Object.hasOwn(params, 'arguments') ? member(params, 'arguments') : {};
  return { method: 'tools/call', name: text(params, 'name'), arguments: object(args, 'arguments') };
}

function readPromptGet(params: JsonObject): Asked {
  return { method: 'prompts/get', name: text(params, 'name'), arguments: texts(params, 'arguments') };
}

function readComplete(params: JsonObject): Asked {
  const argument = object(member(params, 'argument'), 'argument');
  const context = member(params, 'context');
  return {
    method: 'completion/complete',
    ref: readReference(object(member(params, 'ref'), 'ref')),
    argument: { name: text(argument, 'name'), value: text(argument, 'value') },
    context: context === undefined ? {} : texts(object(context, 'context'), 'arguments'),
  };
}

function readReference(ref: JsonObject): Extract<Asked, { method: 'completion/complete' }>['ref'] {
  switch (member(ref, 'type')) {
    case 'ref/prompt':
      return { kind: 'prompt', name: text(ref, 'name') };
    case 'ref/resource':
      return { kind: 'resource', uri: text(ref, 'uri') };
    default:
      throw invalid('ref.type must be ref/prompt or ref/resource');
  }
}

/** A mapping of names to texts; empty when absent. */
function texts(params: JsonObject, key: string): Record<string, string> {
  const given = Object.hasOwn(params, key) ? object(member(params, key), key) : {};
  const read: JsonObject & Record<string, string> = {};
  for (const name of Object.keys(given)) setMember(read, name, text(given, name));
  return read;
}

function object(value: JsonValue | undefined, key: string): JsonObject {
  if (!isObject(value)) throw invalid(`${key} must be an object`);
  return value;
}

function text(params: JsonObject, key: string): string {
  const value = member(params, key);
  if (typeof value !== 'string') throw invalid(`${key} must be a string`);
  return value;
}

function invalid(detail: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', detail);
}
