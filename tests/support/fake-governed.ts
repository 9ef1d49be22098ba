import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import type { Caller } from '../../packages/gateway/src/caller.ts';
import { ERRORS, type ErrorCode, GatewayError } from '../../packages/gateway/src/errors.ts';
import type {
  ChangeKind,
  GovernedGateway,
  GovernedRequest,
  ListKind,
  ListPage,
  Offer,
  Outcome,
  RefusalKind,
  RefusedMethod,
  SessionRef,
  SubscribeRequest,
  Subscription,
} from '../../packages/gateway/src/mcp/types.ts';

export type ToolCall = Extract<GovernedRequest, { method: 'tools/call' }>;

const TOOLS: JsonObject[] = [
  {
    name: 'echo',
    title: 'Echo',
    description: 'Gives its arguments back.',
    inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
  },
  {
    name: 'route',
    description: 'Mirrors arguments into headers.',
    inputSchema: {
      type: 'object',
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        count: { type: 'integer', 'x-mcp-header': 'Count' },
        urgent: { type: 'boolean', 'x-mcp-header': 'Urgent' },
        place: { type: 'object', properties: { city: { type: 'string', 'x-mcp-header': 'City' } } },
      },
    },
  },
  {
    name: 'wait',
    description: 'Answers when it is told to.',
    inputSchema: { type: 'object' },
    outputSchema: { type: 'array', items: { type: 'string' } },
  },
];

const LISTS: Record<ListKind, JsonObject[]> = {
  tools: TOOLS,
  resources: [{ uri: 'test://doc', name: 'doc', title: 'Document' }],
  resourceTemplates: [{ uriTemplate: 'test://doc/{part}', name: 'part' }],
  prompts: [{ name: 'greet', arguments: [{ name: 'who', title: 'Who', required: true }] }],
};

const EVERYTHING: Offer = { tools: true, resources: true, prompts: true, completions: true, instructions: null };

/** The gateway behind the protocol rooms, in memory: remembers what it was asked, decides nothing. */
export class FakeGovernedGateway implements GovernedGateway {
  readonly requests: GovernedRequest[] = [];
  readonly refused: RefusedMethod[] = [];
  readonly opened: SessionRef[] = [];
  readonly ended: { sessionId: string; reason: string }[] = [];
  readonly events: { action: string; subject: string | null; detail: JsonObject }[] = [];
  readonly subscriptions: (SubscribeRequest & { over: boolean })[] = [];
  readonly counts = new Map<RefusalKind, number>();
  /** By subject; whoever is not named is offered everything. */
  readonly offers = new Map<string, Offer>();
  /** Replaces what a tool call does. */
  onCall: (call: ToolCall) => Promise<Outcome> = async (call) => echo(call);
  /** Replaces what any other request does. */
  onRequest: (request: Exclude<GovernedRequest, ToolCall>) => Promise<Outcome> = async (request) => served(request);
  /** URIs that nobody is subscribed to. */
  onSubscribe: (uri: string) => boolean = (uri) => uri.startsWith('test://');
  readonly #listeners = new Set<(kind: ChangeKind) => void>();
  readonly #arrivals: (() => void)[] = [];
  readonly #hanging = new Set<() => void>();

  /** The tool calls among the requests. */
  get calls(): ToolCall[] {
    return this.requests.filter((request) => request.method === 'tools/call');
  }

  async openSession(caller: Caller): Promise<SessionRef> {
    const ref = { sessionId: `audited-${this.opened.length + 1}`, caller };
    this.opened.push(ref);
    return ref;
  }

  async request(request: GovernedRequest): Promise<Outcome> {
    this.requests.push(request);
    for (const arrived of this.#arrivals.splice(0)) arrived();
    return await (request.method === 'tools/call' ? this.onCall(request) : this.onRequest(request));
  }

  offer(caller: Caller): Offer {
    return this.offers.get(caller.subject) ?? EVERYTHING;
  }

  /** Two pages of tools; the second one is reached by the empty cursor. */
  async list(kind: ListKind, _caller: Caller, cursor: string | null): Promise<ListPage> {
    const all = LISTS[kind];
    if (cursor === null) return { items: all.slice(0, 2), nextCursor: all.length > 2 ? '' : null };
    if (cursor === '') return { items: all.slice(2), nextCursor: null };
    throw new GatewayError('INVALID_PARAMS', 'unknown cursor');
  }

  inputSchema(_caller: Caller, name: string): JsonObject | null {
    return schemaOf(name, 'inputSchema');
  }

  outputSchema(_caller: Caller, name: string): JsonObject | null {
    return schemaOf(name, 'outputSchema');
  }

  async subscribe(request: SubscribeRequest): Promise<Subscription> {
    const entry = { ...request, over: false };
    this.subscriptions.push(entry);
    const unknown = failure('RESOURCE_NOT_IN_CATALOG');
    return {
      honoured: request.uris.filter((uri) => this.onSubscribe(uri)),
      refused: request.uris.filter((uri) => !this.onSubscribe(uri)).map((uri) => ({ uri, outcome: unknown })),
      end() {
        entry.over = true;
      },
    };
  }

  isStopped(): boolean {
    return false;
  }

  onStopped(): () => void {
    return () => {};
  }

  onListChanged(listener: (kind: ChangeKind) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async refuseMethod(request: RefusedMethod): Promise<Outcome> {
    this.refused.push(request);
    return failure('METHOD_NOT_GOVERNED', 'refused-1');
  }

  async endSession(session: SessionRef, reason: string): Promise<void> {
    this.ended.push({ sessionId: session.sessionId, reason });
  }

  count(kind: RefusalKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  async gatewayEvent(action: string, caller: Caller | null, detail: JsonObject): Promise<void> {
    this.events.push({ action, subject: caller?.subject ?? null, detail });
  }

  /** Says that a list changed. */
  change(kind: ChangeKind): void {
    for (const listener of this.#listeners) listener(kind);
  }

  /** Who is told of changes. */
  get listening(): number {
    return this.#listeners.size;
  }

  /** Resolves when the next request arrives. */
  called(): Promise<void> {
    return new Promise((resolve) => this.#arrivals.push(resolve));
  }

  /** From now on calls end only when they are cancelled. Resolves with the call that was cancelled first. */
  hang(): Promise<ToolCall> {
    return new Promise((resolve) => {
      this.onCall = (call) =>
        new Promise((end) => {
          const cancelled = (): void => {
            resolve(call);
            end(failure('CALL_CANCELLED'));
          };
          this.#hanging.add(cancelled);
          if (call.signal.aborted) cancelled();
          else call.signal.addEventListener('abort', cancelled, { once: true });
        });
    });
  }

  /** Ends every call that still hangs, so that a failing test does not wait for it. */
  release(): void {
    for (const end of this.#hanging) end();
  }
}

export function echo(call: ToolCall): Outcome {
  if (!TOOLS.some(({ name }) => name === call.name)) return failure('TOOL_NOT_IN_CATALOG');
  return result({ content: [{ type: 'text', text: stringifyJson(call.arguments) }], ...receipt() });
}

/** A complete answer. */
export function result(value: JsonObject): Outcome {
  return { kind: 'result', type: 'complete', result: value };
}

export function failure(code: ErrorCode, callId = 'call-1'): Extract<Outcome, { kind: 'error' }> {
  return { kind: 'error', code, message: ERRORS[code].message, data: { error_code: code, call_id: callId } };
}

/** What any other request is answered with. */
function served(request: Exclude<GovernedRequest, ToolCall>): Outcome {
  switch (request.method) {
    case 'resources/read':
      if (!request.uri.startsWith('test://')) return failure('RESOURCE_NOT_IN_CATALOG');
      return result({ contents: [{ uri: request.uri, text: 'text' }], ...receipt() });
    case 'prompts/get': {
      if (request.name !== 'greet') return failure('PROMPT_NOT_IN_CATALOG');
      const text = `Hello ${request.arguments.who ?? 'you'}`;
      return result({ messages: [{ role: 'user', content: { type: 'text', text } }], ...receipt() });
    }
    case 'completion/complete':
      return result({ completion: { values: [`${request.argument.value}!`] }, ...receipt() });
    default:
      return result({ taskId: request.taskId, status: 'working', ...receipt() });
  }
}

function receipt(): JsonObject {
  return { _meta: { 'io.cmcp/call': { call_id: 'call-1' } } };
}

function schemaOf(name: string, key: string): JsonObject | null {
  const tool = TOOLS.find((each) => each.name === name);
  const schema = tool === undefined ? undefined : member(tool, key);
  return isObject(schema) ? schema : null;
}
