import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verify } from '@cmcp/evidence';
import type { Gateway, StartedGateway } from '@cmcp/gateway';
import type { Client } from '@modelcontextprotocol/client';
import fc from 'fast-check';
import { callMeta, endSession } from './support/calls.ts';
import { AGENT_TOKEN, OTHER_TOKEN, TestBed, type TestTool } from './support/gateway.ts';
import { text } from './support/scripted-server.ts';
import { callEntries, pins, sessionFile, sessionText } from './support/session-files.ts';
import { WatchedStore } from './support/watched-store.ts';

const TOOLS: TestTool[] = [
  { name: 'write' },
  { name: 'customers', catalog: { sensitivity: 'pii', effects: 'read' } },
  { name: 'forbidden' },
  { name: 'fails' },
];
const POLICIES = {
  'allow.cedar': 'permit (principal, action in Action::"call_tool", resource);',
  'forbid.cedar': 'forbid (principal, action == Action::"forbidden", resource);',
};

type Step =
  | { kind: 'call'; agent: 0 | 1; tool: string }
  | { kind: 'parallel'; agent: 0 | 1; tools: string[] }
  | { kind: 'end'; agent: 0 | 1 }
  | { kind: 'close' | 'reset'; agent: 0 | 1 }
  | { kind: 'restart' | 'crash' };

const agent = fc.constantFrom<(0 | 1)[]>(0, 1);
const tool = fc.constantFrom('write', 'customers', 'forbidden', 'fails', 'unknown');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('call' as const), agent, tool }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('parallel' as const), agent, tools: fc.array(tool, { maxLength: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), agent }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'reset' as const), agent }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'crash' as const) }) },
);

/** What the agents were told: which calls were answered in which session, and which sessions lived through a crash. */
class History {
  readonly bed: TestBed;
  readonly answered = new Map<string, Set<string>>();
  readonly crashed = new Set<string>();
  /** Who signed what: a session is checked against the process that closed it. */
  readonly runs: StartedGateway[] = [];
  readonly #clients: (Client | null)[] = [null, null];
  readonly #current: (string | null)[] = [null, null];
  #gateway: Gateway | null = null;
  #store: WatchedStore | null = null;

  constructor(bed: TestBed) {
    this.bed = bed;
  }

  async run(steps: Step[]): Promise<void> {
    await this.#start();
    for (const step of steps) await this.#take(step);
    await this.#gateway?.stop();
  }

  async #start(): Promise<void> {
    this.#store = new WatchedStore([]);
    const { gateway, started } = await this.bed.start({ openLog: this.#store.openLog });
    this.#gateway = gateway;
    this.runs.push(started);
    this.#clients.fill(null);
    this.#current.fill(null);
  }

  async #take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'call':
        return this.#call(step.agent, step.tool);
      case 'parallel':
        // One transport, hence one session, for all of them.
        await this.#client(step.agent);
        await Promise.all(step.tools.map((name) => this.#call(step.agent, name)));
        return;
      case 'end': {
        const client = await this.#client(step.agent);
        await endSession(client);
        await client.close();
        this.#clients[step.agent] = null;
        return;
      }
      case 'close':
      case 'reset': {
        const path = `/operator/v1/sessions/${this.#current[step.agent]}/${step.kind}`;
        if (this.#current[step.agent] !== null) await this.bed.operator('POST', path, { reason: 'random' });
        return;
      }
      case 'restart':
        await this.#gateway?.stop();
        return this.#start();
      case 'crash':
        for (const session of this.#current) if (session !== null) this.crashed.add(session);
        await this.#store?.crash();
        await this.#gateway?.stop().catch((error: unknown) => assert.match(String(error), /AUDIT_UNAVAILABLE/));
        return this.#start();
    }
  }

  async #client(agent: 0 | 1): Promise<Client> {
    const token = agent === 0 ? AGENT_TOKEN : OTHER_TOKEN;
    const client = this.#clients[agent] ?? (await this.bed.client(new URL(this.runs.at(-1)?.url ?? ''), token));
    this.#clients[agent] = client;
    return client;
  }

  async #call(agent: 0 | 1, name: string): Promise<void> {
    const client = await this.#client(agent);
    const answer = await client.callTool({ name, arguments: {} }).catch((error: { data?: object }) => ({
      _meta: { 'io.cmcp/call': (error.data as Record<string, unknown> | undefined)?.['io.cmcp/call'] },
    }));
    const { session_id, call_id } = callMeta(answer as Parameters<typeof callMeta>[0]);
    this.answered.set(session_id, (this.answered.get(session_id) ?? new Set()).add(call_id));
    this.#current[agent] = session_id;
  }
}

async function check(history: History): Promise<void> {
  const [first] = history.runs;
  assert.ok(first);
  const keys = history.runs.map((run) => ({ x: run.publicKey, source: 'test' }));
  for (const [session, calls] of history.answered) {
    const report = await verify(await sessionText(first, session), { ...pins(first), keys });
    assert.deepEqual(
      report.checks.filter((each) => each.outcome === 'failed'),
      [],
    );
    const { bundle } = await sessionFile(first, session);
    const recovered = bundle.entries.some((entry) => entry.entry_type === 'recovered');
    assert.equal(report.verdict, recovered ? 'unverified' : 'verified', report.summary);
    assert.ok(!recovered || history.crashed.has(session), 'only a crash needs recovery');
    const entered: (string | null)[] = (await callEntries(first, session)).map((entry) => entry.call_id);
    assert.deepEqual(new Set(entered), calls, 'one entry per answered call, and no other');
    assert.equal(entered.length, calls.size);
    const { claim } = await sessionFile(first, session);
    assert.equal(claim.gateway.call_summary.tool_calls_total, calls.size);
  }
}

test('any history of calls, closes, resets, restarts and crashes leaves chains that verify and claims that match [D-12] [AARM-R5] [W-09] [LIFE-11]', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      const bed = await TestBed.create({ tools: TOOLS, policies: POLICIES });
      bed.server.answer = (name) => (name === 'fails' ? { nothing: 'valid' } : text(name));
      try {
        const history = new History(bed);
        await history.run(steps);
        await check(history);
      } finally {
        await bed.close().catch((error: unknown) => assert.match(String(error), /AUDIT_UNAVAILABLE/));
      }
    }),
    { numRuns: 12, endOnFailure: true },
  );
});
