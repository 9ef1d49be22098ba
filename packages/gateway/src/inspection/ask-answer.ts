import { isObject, JsonNumber, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { Ask } from '../mcp/asks.ts';
import { formFields } from './ask.ts';

/**
 * A client's answer to what a server asked, as it may be passed on: only what the protocol defines for it, without `_meta`.
 *
 * @throws GatewayError ASK_UNANSWERED when it does not answer what was asked
 */
export function checkAnswer({ kind, params }: Ask, answer: JsonObject): JsonObject {
  if (kind === 'elicit') return elicited(params, answer);
  return kind === 'sample' ? sampled(answer) : roots(answer);
}

function elicited(params: JsonObject, answer: JsonObject): JsonObject {
  const action = member(answer, 'action');
  if (action === 'decline' || action === 'cancel') return { action };
  if (action !== 'accept') throw malformed('action is none of accept, decline and cancel');
  if (member(params, 'mode') === 'url') return { action };
  const content = member(answer, 'content') ?? {};
  if (!isObject(content)) throw malformed('content is not an object');
  return { action, content: formContent(params, content) };
}

/** Exactly the fields that were asked for, each of its kind: nothing else leaves with them. */
function formContent(params: JsonObject, content: JsonObject): JsonObject {
  const fields = formFields(params);
  const schema = member(params, 'requestedSchema');
  const required = isObject(schema) ? member(schema, 'required') : undefined;
  const missing = (Array.isArray(required) ? required : []).some(
    (name) => typeof name === 'string' && !Object.hasOwn(content, name),
  );
  if (missing) throw malformed('a required field is missing');
  return Object.fromEntries(
    fields.flatMap(([name, field]): [string, JsonValue][] => {
      const value = member(content, name);
      if (value === undefined) return [];
      if (!fits(value, member(field, 'type'))) throw malformed('a field is not of the type that was asked for');
      return [[name, value]];
    }),
  );
}

function fits(value: JsonValue, type: JsonValue | undefined): boolean {
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value);
    case 'number':
      return typeof value === 'number' || value instanceof JsonNumber;
    case 'array':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    default:
      return typeof value === 'string';
  }
}

function sampled(answer: JsonObject): JsonObject {
  const { role, content, model, stopReason } = answer;
  if (role !== 'assistant' && role !== 'user') throw malformed('role is none of assistant and user');
  if (typeof model !== 'string') throw malformed('model is not text');
  if (!isObject(content) && !(Array.isArray(content) && content.every(isObject))) throw malformed('content is missing');
  if (stopReason !== undefined && typeof stopReason !== 'string') throw malformed('stopReason is not text');
  return { role, content, model, ...(stopReason === undefined ? {} : { stopReason }) };
}

function roots(answer: JsonObject): JsonObject {
  const listed = member(answer, 'roots');
  if (!Array.isArray(listed)) throw malformed('roots is not a list');
  return {
    roots: listed.map((root) => {
      const uri = isObject(root) ? member(root, 'uri') : undefined;
      const name = isObject(root) ? member(root, 'name') : undefined;
      if (typeof uri !== 'string' || !uri.startsWith('file://')) throw malformed('a root is not a file URI');
      if (leadsUp(uri)) throw malformed('a root leads out of the folder that it names');
      return { uri, ...(typeof name === 'string' ? { name } : {}) };
    }),
  };
}

/** Whether `..`, encoded or not, is a step of the path; what cannot be decoded may be one. */
function leadsUp(uri: string): boolean {
  try {
    return decodeURIComponent(uri).split(/[/\\]/).includes('..');
  } catch (error) {
    if (error instanceof URIError) return true;
    throw error;
  }
}

function malformed(why: string): GatewayError {
  return new GatewayError('ASK_UNANSWERED', `the client's answer is not one: ${why}`);
}
