import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import type { Caller } from '../../packages/gateway/src/caller.ts';
import { GatewayError } from '../../packages/gateway/src/errors.ts';
import type {
  CallOutcome,
  GovernedGateway,
  RefusalKind,
  RefusedMethod,
  SessionRef,
  ToolCall,
  ToolPage,
} from '../../packages/gateway/src/mcp/types.ts';

const TOOLS: JsonObject[] = [
  {
    name: 'echo',
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
  { name: 'wait', description: 'Answers when it is told to.', inputSchema: { type: 'object' } },
];

/** The gateway behind the protocol rooms, in memory: remembers what it was asked, decides nothing. */
export class FakeGovernedGateway implements GovernedGateway {
  readonly calls: ToolCall[] = [];
  readonly refused: RefusedMethod[] = [];
  readonly opened: SessionRef[] = [];
  readonly ended: { sessionId: string; reason: string }[] = [];
  readonly events: { action: string; subject: string | null; detail: JsonObject }[] = [];
  readonly counts = new Map<RefusalKind, number>();
  /** Replaces what a call does. */
  onCall: (call: ToolCall) => Promise<CallOutcome> = async (call) => echo(call);
  readonly #arrivals: (() => void)[] = [];
  readonly #hanging = new Set<() => void>();

  async openSession(caller: Caller): Promise<SessionRef> {
    const ref = { sessionId: `audited-${this.opened.length + 1}`, caller };
    this.opened.push(ref);
    return ref;
  }

  async callTool(call: ToolCall): Promise<CallOutcome> {
    this.calls.push(call);
    for (const arrived of this.#arrivals.splice(0)) arrived();
    return await this.onCall(call);
  }

  /** Two pages; the second one is reached by the empty cursor. */
  async listTools(_caller: Caller, cursor: string | null): Promise<ToolPage> {
    if (cursor === null) return { tools: TOOLS.slice(0, 2), nextCursor: '' };
    if (cursor === '') return { tools: TOOLS.slice(2), nextCursor: null };
    throw new GatewayError('INVALID_PARAMS', 'unknown cursor');
  }

  inputSchema(_caller: Caller, name: string): JsonObject | null {
    const tool = TOOLS.find((each) => each.name === name);
    const schema = tool === undefined ? undefined : member(tool, 'inputSchema');
    return isObject(schema) ? schema : null;
  }

  async refuseMethod(request: RefusedMethod): Promise<CallOutcome> {
    this.refused.push(request);
    const data = { error_code: 'METHOD_NOT_GOVERNED', call_id: 'refused-1' };
    return { kind: 'error', code: 'METHOD_NOT_GOVERNED', message: 'This method is not offered by the gateway.', data };
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

  /** Resolves when the next call arrives. */
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
            end(failure('CALL_CANCELLED', 'The call was cancelled.'));
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

export function echo(call: ToolCall): CallOutcome {
  if (!TOOLS.some(({ name }) => name === call.name)) {
    return failure('TOOL_NOT_IN_CATALOG', 'This tool is not in the approved catalog.');
  }
  const content = [{ type: 'text', text: stringifyJson(call.arguments) }];
  return { kind: 'result', result: { content, _meta: { 'io.cmcp/call': { call_id: 'call-1' } } } };
}

export function failure(code: 'TOOL_NOT_IN_CATALOG' | 'CALL_CANCELLED' | 'POLICY_DENY', message: string): CallOutcome {
  return { kind: 'error', code, message, data: { error_code: code, call_id: 'call-1' } };
}
