import { type JsonObject, type JsonValue, setMember } from '@cmcp/evidence';
import { Fields, type Where } from '../../catalog/fields.ts';
import type { Catalog, CatalogPrompt, CatalogResource, CatalogTool, Labels } from '../../catalog/types.ts';
import { nearest } from '../../config/nearest.ts';
import type { Asked } from '../../policy/types.ts';
import { offeredBy } from './items-of.ts';

type Read = (value: JsonValue, place: Where, beside: Fields<Where>, catalog: Catalog) => Asked;

/** Each way to say what is asked for, and the members of the scenario that go with it. */
const FORMS: ReadonlyMap<string, { read: Read; beside: readonly string[] }> = new Map([
  ['call', { read: readCall, beside: ['arguments'] }],
  ['read', { read: readUri('read_resource'), beside: ['resource'] }],
  ['subscribe', { read: readUri('subscribe'), beside: ['resource'] }],
  ['prompt', { read: readPrompt, beside: ['arguments'] }],
  ['complete', { read: readComplete, beside: [] }],
  ['task', { read: readTask, beside: [] }],
  ['elicit', { read: readElicit, beside: [] }],
  ['sample', { read: readSample, beside: [] }],
  ['list_roots', { read: readRoots, beside: [] }],
]);

const BESIDE: readonly string[] = ['arguments', 'resource'];

/** One of these says what is asked for. */
export const ASKING_MEMBERS: readonly string[] = [...FORMS.keys()];
export const ASKED_MEMBERS: readonly string[] = [...ASKING_MEMBERS, ...BESIDE];

/** @throws GatewayError as the place of `fields` makes it */
export function readAsked(fields: Fields<Where>, catalog: Catalog): Asked {
  const given = [...FORMS].filter(([key]) => fields.get(key) !== undefined);
  const [first, second] = given;
  if (first === undefined) throw fields.place.refuse(`say what is asked for: one of ${ASKING_MEMBERS.join(', ')}`);
  if (second !== undefined) throw fields.place.at(second[0]).refuse(`"${first[0]}" is asked for already; give one`);
  const [key, { read, beside }] = first;
  const idle = BESIDE.find((name) => fields.get(name) !== undefined && !beside.includes(name));
  if (idle !== undefined) throw fields.place.at(idle).refuse(`does not go with "${key}"; remove it`);
  return read(fields.get(key) ?? null, fields.place.at(key), fields, catalog);
}

function readCall(name: JsonValue, place: Where, beside: Fields<Where>, catalog: Catalog): Asked {
  const tool = toolOf(name, place, catalog);
  const given = beside.get('arguments') === undefined ? {} : beside.object('arguments');
  return { action: 'call_tool', tool, arguments: given };
}

/** A name that agents see is not the catalog's: policies know the latter only. */
function toolOf(name: JsonValue, place: Where, { tools }: Catalog): CatalogTool {
  const shown = tools.find(({ exposedName }) => exposedName === name);
  return entryOf('tool', name, place, tools, shown);
}

function readUri(action: 'read_resource' | 'subscribe'): Read {
  return (uri, place, beside, catalog) => {
    if (typeof uri !== 'string') throw place.refuse('must be a URI');
    const resource = beside.get('resource') === undefined ? catalog.resolveResource(uri) : named(beside, catalog);
    if (resource === null || !approves(resource, uri)) {
      throw place.refuse(`the catalog approves no resource ${JSON.stringify(uri)}`);
    }
    return { action, resource, uri };
  };
}

/** Where two servers have resources of one URI, what one of them links to is its own. */
function named(beside: Fields<Where>, { resources }: Catalog): CatalogResource {
  return entryOf('resource', beside.text('resource'), beside.place.at('resource'), resources);
}

function approves({ pattern }: CatalogResource, uri: string): boolean {
  return pattern.kind === 'uri' ? pattern.uri === uri : pattern.template.matches(uri);
}

function readPrompt(name: JsonValue, place: Where, beside: Fields<Where>, catalog: Catalog): Asked {
  const prompt = promptOf(name, place, catalog);
  return { action: 'get_prompt', prompt, arguments: texts(beside, 'arguments') };
}

function promptOf(name: JsonValue, place: Where, { prompts }: Catalog): CatalogPrompt {
  const shown = prompts.find(({ exposedName }) => exposedName === name);
  return entryOf('prompt', name, place, prompts, shown);
}

function readComplete(value: JsonValue, place: Where, _beside: Fields<Where>, catalog: Catalog): Asked {
  const fields = new Fields(value, place, ['prompt', 'resource', 'argument']);
  const [prompt, resource] = [fields.get('prompt'), fields.get('resource')];
  if ((prompt === undefined) === (resource === undefined)) throw place.refuse('give either "prompt" or "resource"');
  const of =
    prompt === undefined
      ? entryOf('resource', resource ?? null, place.at('resource'), catalog.resources)
      : promptOf(prompt, place.at('prompt'), catalog);
  const argument = new Fields(fields.object('argument'), place.at('argument'), ['name', 'value']);
  const completed = { name: anyText(argument, 'name', null), value: anyText(argument, 'value', null) };
  return { action: 'complete', of, argument: completed };
}

function readTask(value: JsonValue, place: Where, _beside: Fields<Where>, catalog: Catalog): Asked {
  const fields = new Fields(value, place, ['action', 'tool']);
  const action = fields.oneOf('action', ['get_task', 'update_task', 'cancel_task']);
  const tool = toolOf(fields.text('tool'), place.at('tool'), catalog);
  return { action, tool };
}

function readElicit(value: JsonValue, place: Where, _beside: Fields<Where>, catalog: Catalog): Asked {
  const fields = new Fields(value, place, ['server', 'during', 'mode', 'message', 'fields', 'host']);
  const { server, during } = readAsking(fields, catalog);
  const mode = fields.get('mode') === undefined ? 'form' : fields.oneOf('mode', ['form', 'url']);
  const message = anyText(fields, 'message', '');
  const names = fields.get('fields') === undefined ? [] : fields.array('fields', 100);
  const asked = names.map((name, index) => {
    if (typeof name !== 'string') throw place.at('fields').at(index).refuse('must be the name of a field');
    return name;
  });
  if (mode === 'form' && fields.get('host') !== undefined) throw place.at('host').refuse('does not go with a form');
  const host = mode === 'form' ? null : anyText(fields, 'host', null);
  return { action: 'elicit', server, during, mode, message, fields: asked, host };
}

function readSample(value: JsonValue, place: Where, _beside: Fields<Where>, catalog: Catalog): Asked {
  const members = ['server', 'during', 'max_tokens', 'messages', 'include_context', 'system_prompt', 'tools'];
  const fields = new Fields(value, place, members);
  const { server, during } = readAsking(fields, catalog);
  const tokens = fields.get('max_tokens') ?? 1000;
  if (typeof tokens !== 'number') throw place.at('max_tokens').refuse('must be a whole number');
  return {
    action: 'sample',
    server,
    during,
    maxTokens: tokens,
    messages: fields.count('messages', 1),
    includeContext: anyText(fields, 'include_context', 'none'),
    systemPrompt: fields.boolean('system_prompt', false),
    tools: fields.boolean('tools', false),
  };
}

function readRoots(value: JsonValue, place: Where, _beside: Fields<Where>, catalog: Catalog): Asked {
  const { server, during } = readAsking(new Fields(value, place, ['server', 'during']), catalog);
  return { action: 'list_roots', server, during };
}

/** The server that asks, and what it serves meanwhile. */
function readAsking(fields: Fields<Where>, catalog: Catalog) {
  const id = fields.text('server');
  const server = catalog.servers.find((each) => each.id === id);
  if (server === undefined) throw fields.place.at('server').refuse(unknown('server', id, ids(catalog)));
  const names = offeredBy(server, catalog).map(({ name }) => name);
  const during = fields.text('during');
  if (!names.includes(during)) {
    throw fields.place.at('during').refuse(unknown(`tool, resource or prompt of "${id}"`, during, names));
  }
  return { server, during };
}

function ids({ servers }: Catalog): string[] {
  return servers.map(({ id }) => id);
}

/** @param shown the entry that agents see under this name */
function entryOf<T extends Labels>(kind: string, name: JsonValue, place: Where, entries: readonly T[], shown?: T): T {
  if (typeof name !== 'string') throw place.refuse(`must be the catalog's name of a ${kind}`);
  const entry = entries.find((each) => each.name === name);
  if (entry !== undefined) return entry;
  const names = shown === undefined ? entries.map((each) => each.name) : [shown.name];
  throw place.refuse(unknown(kind, name, names));
}

function unknown(kind: string, name: string, names: readonly string[]): string {
  const guess = nearest(name, names);
  return `the catalog has no ${kind} ${JSON.stringify(name)}${guess === null ? '' : `; did you mean "${guess}"?`}`;
}

/** Text of any length: what a peer says is not bounded here. @param absent null: it has to be given */
function anyText(fields: Fields<Where>, key: string, absent: string | null): string {
  const value = fields.get(key) ?? absent;
  if (typeof value !== 'string') throw fields.place.at(key).refuse('must be text');
  return value;
}

function texts(beside: Fields<Where>, key: string): Record<string, string> {
  const read: JsonObject & Record<string, string> = {};
  if (beside.get(key) === undefined) return read;
  const given = beside.object(key);
  const fields = new Fields(given, beside.place.at(key), Object.keys(given));
  for (const name of Object.keys(given)) setMember(read, name, anyText(fields, name, null));
  return read;
}
