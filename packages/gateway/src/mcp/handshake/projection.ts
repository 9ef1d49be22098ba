/**
 * What the gateway serves in terms of an older revision: what it does not know is translated, or left out where nothing is lost
 * that was said elsewhere.
 */
import { isObject, type JsonObject, type JsonValue, member, stringifyJson } from '@cmcp/evidence';
import type { GovernedRequest, ListKind } from '../types.ts';
import type { Revision } from './revision.ts';
import { describesObject, wrapSchema } from './wrapped-schema.ts';

/** Members of definitions that came after 2025-03-26; before that, peers knew a title only as an annotation of tools. */
const STRUCTURED_MEMBERS = ['title', 'outputSchema', '_meta'];

/** A tool, resource, resource template or prompt of a list. */
export function projectDefinition(kind: ListKind, definition: JsonObject, revision: Revision): JsonObject {
  // The experimental tasks of 2025-11-25 are not offered, so nothing is said about them (MCP25-16).
  const { execution: _, ...known } = definition;
  const shown = revision.rich ? known : without(known, ['icons']);
  if (revision.structured) return kind === 'tools' ? withObjectOutput(shown) : shown;
  const plain = withPlainAnnotations(without(shown, STRUCTURED_MEMBERS));
  if (kind === 'tools') return withAnnotatedTitle(plain, member(definition, 'title'));
  const args = kind === 'prompts' ? member(plain, 'arguments') : undefined;
  if (!Array.isArray(args)) return plain;
  return { ...plain, arguments: args.map((each) => (isObject(each) ? without(each, ['title']) : each)) };
}

/**
 * The result of a governed request.
 *
 * @param outputSchema of the tool, where one was approved
 */
export function projectResult(
  method: GovernedRequest['method'],
  result: JsonObject,
  revision: Revision,
  outputSchema: JsonObject | null,
): JsonObject {
  if (method === 'tools/call' && revision.structured) return withObjectContent(result, outputSchema);
  if (revision.structured) return result;
  if (method === 'tools/call') return withPlainContent(withoutStructure(result));
  if (method === 'resources/read') return withPlainContents(result);
  return method === 'prompts/get' ? withPlainMessages(result) : result;
}

/** Up to 2025-11-25 structured content is an object: a schema of anything else describes the one member of such an object. */
function withObjectOutput(tool: JsonObject): JsonObject {
  const schema = member(tool, 'outputSchema');
  if (!isObject(schema) || describesObject(schema)) return tool;
  return { ...tool, outputSchema: wrapSchema(schema) };
}

/** Wrapped exactly where the schema was, and where it could not be sent otherwise. */
function withObjectContent(result: JsonObject, outputSchema: JsonObject | null): JsonObject {
  const content = member(result, 'structuredContent');
  if (content === undefined) return result;
  const fits = isObject(content) && (outputSchema === null || describesObject(outputSchema));
  return fits ? result : { ...result, structuredContent: { result: content } };
}

/** Structured content goes without being missed when the same is there as text, else it becomes the text. */
function withoutStructure(result: JsonObject): JsonObject {
  const structured = member(result, 'structuredContent');
  const content = member(result, 'content');
  const rest = without(result, ['structuredContent']);
  if (structured === undefined || (Array.isArray(content) && content.length > 0)) return rest;
  return { ...rest, content: [{ type: 'text', text: stringifyJson(structured) }] };
}

function withPlainContent(result: JsonObject): JsonObject {
  const content = member(result, 'content');
  return Array.isArray(content) ? { ...result, content: content.map(plainBlock) } : result;
}

function withPlainMessages(result: JsonObject): JsonObject {
  const messages = member(result, 'messages');
  if (!Array.isArray(messages)) return result;
  const plain = messages.map((message) => {
    const content = isObject(message) ? member(message, 'content') : undefined;
    return isObject(message) && content !== undefined ? { ...message, content: plainBlock(content) } : message;
  });
  return { ...result, messages: plain };
}

function withPlainContents(result: JsonObject): JsonObject {
  const contents = member(result, 'contents');
  if (!Array.isArray(contents)) return result;
  return { ...result, contents: contents.map((each) => (isObject(each) ? without(each, ['_meta']) : each)) };
}

/** A block of content as 2025-03-26 has it. */
function plainBlock(block: JsonValue): JsonValue {
  if (!isObject(block)) return block;
  const plain = withPlainAnnotations(without(block, ['_meta']));
  const resource = member(plain, 'resource');
  if (isObject(resource)) return { ...plain, resource: without(resource, ['_meta']) };
  return member(block, 'type') === 'resource_link' ? linkText(plain) : plain;
}

/** A link says where something is and what it is. */
function linkText(link: JsonObject): JsonObject {
  const [uri, name, description] = ['uri', 'name', 'description'].map((key) => {
    const value = member(link, key);
    return typeof value === 'string' ? value : '';
  });
  const annotations = member(link, 'annotations');
  const text = `Resource ${name === '' ? uri : `${name}: ${uri}`}${description === '' ? '' : `\n${description}`}`;
  return { type: 'text', text, ...(annotations === undefined ? {} : { annotations }) };
}

function withPlainAnnotations(object: JsonObject): JsonObject {
  const annotations = member(object, 'annotations');
  return isObject(annotations) ? { ...object, annotations: without(annotations, ['lastModified']) } : object;
}

function withAnnotatedTitle(tool: JsonObject, title: JsonValue | undefined): JsonObject {
  const given = member(tool, 'annotations');
  const annotations = isObject(given) ? given : {};
  if (typeof title !== 'string' || Object.hasOwn(annotations, 'title')) return tool;
  return { ...tool, annotations: { ...annotations, title } };
}

function without(object: JsonObject, keys: string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
