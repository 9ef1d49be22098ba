/**
 * What a server asks, in terms of the revision that its client speaks: translated where that loses nothing, else refused. What a
 * client has to declare before it is asked is not looked at here.
 */
import { isObject, type JsonObject, type JsonValue, member, setMember } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Ask } from '../asks.ts';
import type { Revision } from './revision.ts';

/** Kinds of content that a message had before a model could be given tools. */
const PLAIN_CONTENT: readonly (JsonValue | undefined)[] = ['text', 'image', 'audio'];

/**
 * The params of the request that a client is sent.
 *
 * @param newId for what has to be named and was not
 * @throws GatewayError ASK_UNANSWERED when the revision has no words for it
 */
export function projectAsk({ kind, params }: Ask, revision: Revision, newId: () => string): JsonObject {
  switch (kind) {
    case 'elicit':
      return projectElicitation(params, revision, newId);
    case 'sample':
      return revision.rich ? params : plainSampling(params);
    case 'list_roots':
      return params;
  }
}

function projectElicitation(params: JsonObject, revision: Revision, newId: () => string): JsonObject {
  if (member(params, 'mode') === 'url') {
    if (!revision.rich) throw unspeakable('elicitation by URL');
    // 2025-11-25 names each one; 2026-07-28 does not.
    return Object.hasOwn(params, 'elicitationId') ? params : { ...params, elicitationId: newId() };
  }
  if (revision.rich) return params;
  const { mode: _, ...form } = params;
  const schema = member(form, 'requestedSchema');
  const properties = isObject(schema) ? member(schema, 'properties') : undefined;
  if (!isObject(schema) || !isObject(properties)) return form;
  return { ...form, requestedSchema: { ...schema, properties: plainFields(properties) } };
}

function plainFields(fields: JsonObject): JsonObject {
  const plain: JsonObject = {};
  for (const [name, field] of Object.entries(fields))
    setMember(plain, name, isObject(field) ? plainField(field) : field);
  return plain;
}

/** A choice with titles has another form; a choice of several has none; what is filled in beforehand is only a convenience. */
function plainField(field: JsonObject): JsonObject {
  const type = member(field, 'type');
  if (type === 'array') throw unspeakable('a field with several choices');
  const { default: _, ...plain } = field;
  const shown = type === 'boolean' ? field : plain;
  const choices = member(shown, 'oneOf');
  if (!Array.isArray(choices)) return shown;
  const { oneOf: __, ...rest } = shown;
  const [values, titles] = ['const', 'title'].map((key) =>
    choices.map((choice) => (isObject(choice) ? (member(choice, key) ?? null) : null)),
  );
  return { ...rest, enum: values ?? [], enumNames: titles ?? [] };
}

/** A message with several blocks is as many messages of the same role. */
function plainSampling(params: JsonObject): JsonObject {
  if (Object.hasOwn(params, 'tools') || Object.hasOwn(params, 'toolChoice')) throw unspeakable('sampling with tools');
  const messages = member(params, 'messages');
  return Array.isArray(messages) ? { ...params, messages: messages.flatMap(plainMessages) } : params;
}

function plainMessages(message: JsonValue): JsonValue[] {
  if (!isObject(message)) return [message];
  const { content, _meta, ...rest } = message;
  return (Array.isArray(content) ? content : [content ?? null]).map((block) => {
    if (!isObject(block) || !PLAIN_CONTENT.includes(member(block, 'type'))) throw unspeakable('this kind of message');
    return { ...rest, content: block };
  });
}

function unspeakable(what: string): GatewayError {
  return new GatewayError('ASK_UNANSWERED', `the revision of the client does not have ${what}`);
}
