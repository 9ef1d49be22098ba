import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { Client as ClientV2, type Transport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport as TransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

const INFO = { name: 'tourist', version: '1' };
const CAPABILITIES = { elicitation: {}, sampling: {}, roots: {} };
const ANSWERS = {
  sampling: { role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'm', stopReason: 'endTurn' },
  roots: { roots: [{ uri: 'file:///work', name: 'work' }] },
} as const;

/** What a user answers: the fields that the everything-server asks for. */
const elicited = ({ requestedSchema }: { requestedSchema?: { properties?: object } }) => {
  const filled: Record<string, string | boolean> = { username: 'ada', email: 'a@b.c', name: 'Ada', context: 'tests' };
  const asked = Object.keys(requestedSchema?.properties ?? {}).filter((name) => name in filled);
  return { action: 'accept' as const, content: Object.fromEntries(asked.map((name) => [name, filled[name] ?? ''])) };
};

type Result = Record<string, unknown>;

interface CallOptions {
  signal?: AbortSignal;
  onprogress?: (progress: { progress: number; total?: number }) => void;
}

/** The requests that the official clients of both versions have in common. */
interface Requests {
  listTools(): Promise<{ tools: { name: string }[] }>;
  listResources(): Promise<{ resources: { uri: string }[] }>;
  listResourceTemplates(): Promise<{ resourceTemplates: { uriTemplate: string }[] }>;
  listPrompts(): Promise<{ prompts: { name: string }[] }>;
  readResource(params: { uri: string }): Promise<{ contents: Result[] }>;
  getPrompt(params: { name: string; arguments?: Record<string, string> }): Promise<{ messages: { content: Result }[] }>;
  complete(params: Result): Promise<{ completion: { values: string[] } }>;
  getInstructions(): string | undefined;
}

/** An official client that is connected, with what it hears as events. */
export interface Tourist extends Requests {
  readonly heard: EventEmitter;
  call(name: string, args?: Result, options?: CallOptions): Promise<{ content: Result[] }>;
  /** Calls with log messages of `info` and worse. */
  callLogged(name: string): Promise<{ content: Result[] }>;
  /** Hears of this resource, and of lists, from now on. */
  watch(uri: string): Promise<() => Promise<unknown>>;
  close(): Promise<void>;
}

export async function touristV1(transport: TransportV1): Promise<Tourist> {
  const client = new ClientV1(INFO, { capabilities: CAPABILITIES });
  const heard = new EventEmitter();
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => elicited(params as never));
  client.setRequestHandler(CreateMessageRequestSchema, () => ANSWERS.sampling);
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [...ANSWERS.roots.roots] }));
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.emit('log', params.data));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
    heard.emit('updated', params.uri);
  });
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.emit('tools'));
  client.setNotificationHandler(PromptListChangedNotificationSchema, () => void heard.emit('prompts'));
  client.setNotificationHandler(ResourceListChangedNotificationSchema, () => void heard.emit('resources'));
  await client.connect(transport);
  const call: Tourist['call'] = (name, args = {}, options = {}) =>
    client.callTool({ name, arguments: args }, undefined, options as never) as never;
  return tourist(client as unknown as Requests & ClientV1, heard, {
    call,
    callLogged: async (name) => {
      await client.setLoggingLevel('info');
      return call(name);
    },
    watch: async (uri) => {
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    close: () => client.close(),
  });
}

export async function touristV2(transport: TransportV2, family: 'handshake' | 'modern'): Promise<Tourist> {
  const mode = family === 'modern' ? { pin: '2026-07-28' } : 'legacy';
  const client = new ClientV2(INFO, { capabilities: CAPABILITIES, versionNegotiation: { mode } });
  const heard = new EventEmitter();
  client.setRequestHandler('elicitation/create', ({ params }) => elicited(params as never));
  client.setRequestHandler('sampling/createMessage', () => ANSWERS.sampling);
  client.setRequestHandler('roots/list', () => ({ roots: [...ANSWERS.roots.roots] }));
  client.setNotificationHandler('notifications/message', ({ params }) => void heard.emit('log', params.data));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    heard.emit('updated', params.uri);
  });
  for (const kind of ['tools', 'prompts', 'resources'] as const) {
    client.setNotificationHandler(`notifications/${kind}/list_changed`, () => void heard.emit(kind));
  }
  await client.connect(transport);
  const call: Tourist['call'] = (name, args = {}, options = {}) =>
    client.callTool({ name, arguments: args }, options as never) as never;
  const lists = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  return tourist(client as unknown as Requests & ClientV2, heard, {
    call,
    callLogged: async (name) => {
      if (family === 'handshake') await client.setLoggingLevel('info');
      const _meta = { 'io.modelcontextprotocol/logLevel': 'info' };
      return client.callTool({ name, arguments: {}, ...(family === 'modern' && { _meta }) } as never) as never;
    },
    watch: async (uri) => {
      if (family === 'modern') {
        const subscription = await client.listen({ resourceSubscriptions: [uri], ...lists });
        return () => subscription.close();
      }
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    close: () => client.close(),
  });
}

function tourist<C extends Requests>(
  client: C,
  heard: EventEmitter,
  own: Pick<Tourist, 'call' | 'callLogged' | 'watch' | 'close'>,
): Tourist {
  return {
    heard,
    ...own,
    listTools: () => client.listTools(),
    listResources: () => client.listResources(),
    listResourceTemplates: () => client.listResourceTemplates(),
    listPrompts: () => client.listPrompts(),
    readResource: (params) => client.readResource(params),
    getPrompt: (params) => client.getPrompt(params),
    complete: (params) => client.complete(params),
    getInstructions: () => client.getInstructions(),
  };
}

const textOf = ({ content }: { content: Result[] }): unknown => content[0]?.text;

/** Lists, reads, gets and completes all that there is of the everything-server. */
export async function tourOfLists(it: Tourist): Promise<void> {
  assert.equal((await it.listTools()).tools.length, 38 + WAITS);
  assert.match(it.getInstructions() ?? '', /Offers one of everything that MCP has\./);
  const { resources } = await it.listResources();
  for (const { uri } of resources) assert.equal((await it.readResource({ uri })).contents[0]?.uri, uri);
  const { resourceTemplates } = await it.listResourceTemplates();
  assert.ok(resourceTemplates.some(({ uriTemplate }) => uriTemplate === 'test://template/{id}/data'));
  const read = await it.readResource({ uri: 'test://template/7/data' });
  assert.match(String(read.contents[0]?.text), /Data for ID: 7/);
  const { prompts } = await it.listPrompts();
  assert.ok(prompts.some(({ name }) => name === 'test_prompt_with_arguments'));
  const got = await it.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'a', arg2: 'ß' } });
  assert.equal(got.messages[0]?.content.text, "Prompt with arguments: arg1='a', arg2='ß'");
  const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
  const { completion } = await it.complete({ ref, argument: { name: 'arg1', value: 'par' } });
  assert.deepEqual(completion.values, ['paris', 'park', 'party']);
  assert.equal(textOf(await it.call('greet', { name: 'Zoë' })), 'Hello, Zoë!');
  await assert.rejects(it.call('no_such_tool'), /not in the approved catalog/);
}

/** The tools of the server that waits, besides those of the everything-server. */
const WAITS = 12;

/** The server asks the user, the model and the agent. */
export async function tourOfQuestions(it: Tourist): Promise<void> {
  const said = 'User response: action=accept, content={"username":"ada","email":"a@b.c"}';
  assert.equal(textOf(await it.call('test_elicitation', { message: 'Who?' })), said);
  assert.equal(textOf(await it.call('test_sampling', { prompt: 'What is the capital?' })), 'LLM response: Paris');
  assert.equal(textOf(await it.call('test_input_required_result_list_roots')), 'Your roots: file:///work');
  const got = await it.getPrompt({ name: 'test_input_required_result_prompt' });
  assert.equal(got.messages[0]?.content.text, 'Use this context: tests');
}

/** What is said while a call lasts, and a call that is given up. */
export async function tourOfCalls(it: Tourist): Promise<void> {
  const progress: number[] = [];
  await it.call('test_tool_with_progress', {}, { onprogress: (each) => void progress.push(each.progress) });
  assert.deepEqual(progress, [0, 50, 100]);

  const logged: unknown[] = [];
  const log = (data: unknown): void => void logged.push(data);
  it.heard.on('log', log);
  await it.callLogged('test_tool_with_logging');
  it.heard.off('log', log);
  assert.deepEqual(logged, ['Tool execution started', 'Tool processing data', 'Tool execution completed']);

  const given = new AbortController();
  const waiting = assert.rejects(it.call('wait', {}, { signal: given.signal }));
  await it.call('wait_started');
  given.abort();
  await waiting;
  // Answered once the server has heard that the call was cancelled.
  assert.equal(textOf(await it.call('wait_cancelled')), 'So it is.');
}

/** A resource and the lists change, and the client hears of it. */
export async function tourOfChanges(it: Tourist): Promise<void> {
  const uri = 'test://watched-resource';
  const end = await it.watch(uri);
  const updated = once(it.heard, 'updated');
  await it.call('test_trigger_resource_update', { uri: 'test://static-text' });
  await it.call('test_trigger_resource_update', { uri });
  assert.deepEqual(await updated, [uri], 'of this one only');
  for (const [kind, trigger] of [
    ['tools', 'test_trigger_tool_change'],
    ['prompts', 'test_trigger_prompt_change'],
    ['resources', 'test_trigger_resource_change'],
  ] as const) {
    const changed = once(it.heard, kind);
    await it.call(trigger);
    await changed;
  }
  await end();
}

export const TOURS: Record<string, (it: Tourist) => Promise<void>> = {
  'lists, reads, gets, completes and calls': tourOfLists,
  'answers for the user, the model and itself': tourOfQuestions,
  'hears of progress and logs, and gives up a call': tourOfCalls,
  'hears of resources and lists that change': tourOfChanges,
};
