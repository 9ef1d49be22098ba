import assert from 'node:assert/strict';
import type { Gateway, StartedGateway } from '@cmcp/gateway';
import { loadBundle } from '../../packages/gateway/src/policy/bundle.ts';
import { Agent, type Reply } from './agent.ts';
import { AGENT_TOKEN, OTHER_TOKEN, TestBed, type TestTool } from './gateway.ts';
import { ManualTime } from './manual-time.ts';
import { text } from './scripted-server.ts';
import { WatchedStore } from './watched-store.ts';
import { FAMILIES, type Values } from './wire.ts';

export type Who = 0 | 1;
export const SUBJECTS = ['agent', 'other'] as const;
const TOKENS = [AGENT_TOKEN, OTHER_TOKEN] as const;

export type Step =
  | { kind: 'call' | 'hold'; who: Who; tool: string }
  | { kind: 'parallel'; who: Who; tools: string[] }
  /** Makes the last call again that was asked about: so often at once, perhaps by somebody else or with other arguments, naming its approval. */
  | { kind: 'repeat'; who: Who; times: number; twist: 'none' | 'changed' | 'other agent' }
  | { kind: 'verdict'; verdict: 'grant' | 'refuse' }
  | { kind: 'block'; scope: 'all' | 'agent' | 'session' | 'tool'; who: Who; tool: string }
  | { kind: 'reset' | 'close' | 'end' | 'intrude'; who: Who }
  | { kind: 'answer' | 'lift' | 'activate' | 'wait' | 'restart' | 'crash' };

/** A call as its agent knows it. Moments are counted, so that of any two one was first. */
export interface Call {
  who: Who;
  tool: string;
  /** Its argument, which no other call has unless it was made again. */
  key: string;
  sentAt: number;
  /** How often the gateway had been started. */
  run: number;
  /** What the operator knew to be so when it was sent. */
  blocked: string | null;
  seen: 'pii' | 'public' | null;
  repliedAt: number;
  reply: Reply | null;
}

/** What reached the server, and when it answered. */
export interface Hit {
  tool: string;
  key: string;
  at: number;
  millis: number;
  run: number;
  answeredAt: number;
}

export interface Stopped {
  id: string;
  scope: string;
  name: string;
  at: number;
  liftedAt: number;
}

export interface Asked {
  who: Who;
  key: string;
  run: number;
  session: string;
  askedMillis: number;
  /** How often its agent had been reset. */
  generation: number;
  grantedAt: number;
}

const TTL_MS = 5 * 60_000;
const ARGUMENTS = { inputSchema: { type: 'object', properties: { key: { type: 'string' } } } };

/** What is asked for here, and what policy says of it. `changing` is allowed by every other version of the bundle. */
export const TOOLS: TestTool[] = [
  { name: 'write', ...ARGUMENTS },
  { name: 'customers', ...ARGUMENTS, catalog: { sensitivity: 'pii', effects: 'read' } },
  { name: 'asks', ...ARGUMENTS },
  { name: 'never', ...ARGUMENTS },
  { name: 'changing', ...ARGUMENTS },
];

const policies = (version: number): Record<string, string> => ({
  'all.cedar': [
    'permit (principal, action in Action::"call_tool", resource);',
    '@id("never") forbid (principal, action == Action::"never", resource);',
    '@id("asks") @aarm_decision("step_up") @ttl("5m") forbid (principal, action == Action::"asks", resource);',
    version % 2 === 0 ? '' : '@id("odd") forbid (principal, action == Action::"changing", resource);',
  ].join('\n'),
});

/** Every look at it is a moment later, so that entries of all chains have one order. */
class Ticking extends ManualTime {
  #ticks = 0;

  override nowMicros(): number {
    this.#ticks += 1;
    return super.nowMicros() + this.#ticks;
  }
}

/** A gateway with two agents, an operator and a server, and what each of them did and was told. */
export class InterleavedHistory {
  readonly bed: TestBed;
  readonly calls: Call[] = [];
  readonly hits: Hit[] = [];
  readonly stopped: Stopped[] = [];
  readonly asked = new Map<string, Asked>();
  readonly resets: { who: Who; at: number; session: string }[] = [];
  readonly runs: StartedGateway[] = [];
  /** How often the process was killed. */
  crashes = 0;
  readonly acts: string[] = [];
  readonly intrusions: unknown[] = [];
  /** By bundle hash: whether `changing` is allowed. */
  readonly changing = new Map<string, boolean>();
  readonly #time = new Ticking();
  readonly #agents: (Agent | null)[] = [null, null];
  readonly #sessions: (string | null)[] = [null, null];
  readonly #generations = [0, 0];
  /** What the agent may have seen, and what it has. */
  readonly #may = [false, false];
  readonly #has = [false, false];
  readonly #held = new Map<string, () => void>();
  #background: Promise<unknown>[] = [];
  #replies: Promise<unknown>[] = [];
  #reached = new Map<string, () => void>();
  #moment = 0;
  #version = 0;
  #gateway: Gateway | null = null;
  #store: WatchedStore | null = null;

  private constructor(bed: TestBed) {
    this.bed = bed;
    bed.server.answer = (tool, args) => this.#serve(tool, String(args.key));
  }

  static async create(durability: 'strict' | 'batched'): Promise<InterleavedHistory> {
    const config = `audit: { durability: ${durability} }\nsessions: { carry_over: 24d, idle: 24d, max_age: 24d }`;
    return new InterleavedHistory(await TestBed.create({ tools: TOOLS, config }));
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#write();
    await this.#start();
    for (const step of steps) await this.#take(step);
    await this.#stop();
  }

  async #take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'call':
        return await this.#call(step.who, step.tool, this.#key());
      case 'parallel': {
        if ((await this.#agent(step.who)) === null) return;
        // Any of them may be decided as if another had been shown.
        if (step.tools.includes('customers')) this.#may[step.who] = true;
        await Promise.all(step.tools.map((tool) => this.#call(step.who, tool, this.#key())));
        return;
      }
      case 'hold':
        return await this.#hold(step.who, step.tool);
      case 'answer': {
        this.#answerAll();
        await Promise.all(this.#replies);
        return;
      }
      case 'repeat':
        return await this.#repeat(step);
      case 'verdict':
        return await this.#verdict(step.verdict);
      case 'block':
        return await this.#block(step);
      case 'lift':
        return await this.#lift();
      case 'reset':
        return await this.#reset(step.who);
      case 'close': {
        const path = `/operator/v1/sessions/${this.#sessions[step.who]}/close`;
        if (this.#sessions[step.who] !== null) await this.#meanwhile(this.bed.operator('POST', path, { reason: 'x' }));
        return;
      }
      case 'end':
        return await this.#end(step.who);
      case 'intrude':
        return await this.#intrude(step.who);
      case 'activate':
        await this.#settle();
        await this.#write();
        return await this.#meanwhile(this.#gateway?.reload());
      case 'wait':
        return this.#time.advance(TTL_MS + 60_000);
      case 'restart':
        await this.#stop();
        return await this.#start();
      case 'crash':
        await this.#crash();
        return await this.#start();
    }
  }

  async #start(): Promise<void> {
    const store = new WatchedStore([]);
    this.#store = store;
    const time = this.#time;
    const { gateway, started } = await this.bed.start({
      openLog: (options) => store.openLog({ ...options, clock: time }),
      ...{ clock: time, timers: time, monotonic: () => time.nowMicros() / 1000 },
    });
    this.#gateway = gateway;
    this.runs.push(started);
    this.#agents.fill(null);
    this.#sessions.fill(null);
  }

  async #stop(): Promise<void> {
    const stopping = this.#gateway?.stop();
    this.#answerAll();
    await stopping;
    await this.#settle();
  }

  /** The process is gone, with what waited for its server. */
  async #crash(): Promise<void> {
    const waiting = this.calls.filter(({ repliedAt, key }) => repliedAt === 0 && this.#held.has(key));
    await this.#store?.crash();
    this.crashes += 1;
    this.#answerAll();
    await this.#gateway?.stop().catch((error: unknown) => assert.match(String(error), /AUDIT_UNAVAILABLE/));
    await this.#settle();
    // What was under way counts as seen: nobody knows what became of it.
    for (const { who, tool } of waiting) if (tool === 'customers') this.#may[who] = true;
  }

  /** The next version of the bundle. */
  async #write(): Promise<void> {
    this.#version += 1;
    await this.bed.writePolicies(policies(this.#version));
    const { hash } = await loadBundle(`${this.bed.folder}/policy`);
    this.changing.set(hash, this.#version % 2 === 0);
  }

  /** Something that may have to wait for calls at the server: done when it is done, or when nothing else goes on without it. */
  async #meanwhile(work: Promise<unknown> | undefined): Promise<void> {
    const done = Promise.resolve(work).catch((error: unknown) =>
      assert.match(String(error), /AUDIT_UNAVAILABLE|hang up|fetch failed/),
    );
    this.#background.push(done);
    if (this.#held.size === 0) await done;
  }

  async #settle(): Promise<void> {
    this.#answerAll();
    await Promise.all([...this.#background, ...this.#replies]);
    this.#background = [];
    this.#replies = [];
  }

  #serve(tool: string, key: string): Promise<Values> | Values {
    const hit = { tool, key, at: this.#now(), millis: this.#millis(), run: this.runs.length, answeredAt: 0 };
    this.hits.push(hit);
    const answer = (): Values => {
      hit.answeredAt = this.#now();
      return text(key);
    };
    this.#reached.get(key)?.();
    if (!this.#reached.has(key)) return answer();
    return new Promise((resolve) => this.#held.set(key, () => resolve(answer())));
  }

  #answerAll(): void {
    for (const answer of this.#held.values()) answer();
    this.#held.clear();
    this.#reached.clear();
  }

  /** Null: the gateway does not let this agent in. */
  async #agent(who: Who): Promise<Agent | null> {
    const known = this.#agents[who];
    if (known) return known;
    const url = new URL(this.runs.at(-1)?.url ?? '');
    const agent = new Agent(url, FAMILIES[who] ?? 'modern', { token: TOKENS[who] });
    if (agent.family === 'modern') {
      this.#agents[who] = agent;
      return agent;
    }
    const blocked = this.#blocked(who, '');
    await agent.open();
    assert.equal(agent.session === null, blocked !== null, `INV-06: ${blocked} is not let in, and others are`);
    if (agent.session === null) return null;
    this.#agents[who] = agent;
    return agent;
  }

  async #call(who: Who, tool: string, key: string, meta: Values = {}): Promise<void> {
    const agent = await this.#agent(who);
    if (agent !== null) await this.#send(agent, who, tool, key, meta);
  }

  async #send(agent: Agent, who: Who, tool: string, key: string, meta: Values): Promise<void> {
    const seen = this.#has[who] ? 'pii' : this.#may[who] ? null : 'public';
    const generation = this.#generations[who] ?? 0;
    const blocked = this.#blocked(who, tool);
    const call: Call = {
      who,
      tool,
      key,
      sentAt: this.#now(),
      run: this.runs.length,
      blocked,
      seen,
      repliedAt: 0,
      reply: null,
    };
    this.calls.push(call);
    const sent = agent.request('tools/call', { name: tool, arguments: { key } }, meta);
    if (tool === 'customers') this.#may[who] = true;
    // An agent whose gateway is gone has no reply.
    call.reply = await sent.catch(() => null);
    call.repliedAt = this.#now();
    this.#learn(call, generation);
  }

  #learn({ who, tool, key, reply, run }: Call, generation: number): void {
    const session = metaOf(reply)?.session_id;
    if (typeof session === 'string' && run === this.runs.length) this.#sessions[who] = session;
    if (reply?.result !== undefined && tool === 'customers' && generation === this.#generations[who])
      this.#has[who] = true;
    const id = reply?.error?.data?.approval_id;
    if (typeof id !== 'string' || this.asked.has(id)) return;
    const askedMillis = this.#millis();
    this.asked.set(id, { who, key, run, session: String(session), askedMillis, generation, grantedAt: 0 });
  }

  /** Until it has reached the server, or was refused. */
  async #hold(who: Who, tool: string): Promise<void> {
    const key = this.#key();
    const reached = new Promise<void>((resolve) => this.#reached.set(key, resolve));
    const replied = this.#call(who, tool, key);
    this.#replies.push(replied);
    await Promise.race([reached, replied]);
    if (!this.#held.has(key)) this.#reached.delete(key);
  }

  async #repeat({ who, times, twist }: Extract<Step, { kind: 'repeat' }>): Promise<void> {
    const last = this.calls.findLast((call) => call.who === who && call.tool === 'asks');
    if (last === undefined) return;
    const by = twist === 'other agent' ? ((1 - who) as Who) : who;
    const key = twist === 'changed' ? this.#key() : last.key;
    const [id] = [...this.asked].findLast(([, each]) => each.key === last.key) ?? [];
    const meta = twist === 'none' || id === undefined ? {} : { 'io.cmcp/approval': id };
    await this.#agent(by);
    await Promise.all(Array.from({ length: times }, () => this.#call(by, 'asks', key, meta)));
  }

  async #verdict(verdict: 'grant' | 'refuse'): Promise<void> {
    const { items } = (await this.bed.operator('GET', '/operator/v1/approvals')).body as { items: Values[] };
    const open = items.findLast(({ state }) => state === 'open');
    if (open === undefined) return;
    const { status } = await this.#operate(`approvals/${open.id}/${verdict}`);
    const asked = this.asked.get(String(open.id));
    assert.ok(asked, 'INV-08: what is open was told to whoever asked');
    if (status === 200 && verdict === 'grant') asked.grantedAt = this.#now();
  }

  async #block({ scope, who, tool }: Extract<Step, { kind: 'block' }>): Promise<void> {
    const name = { all: '*', agent: SUBJECTS[who], session: this.#sessions[who] ?? null, tool }[scope];
    if (name === null) return;
    const { status, body } = await this.#operate('blocks', { scope, ...(scope === 'all' ? {} : { name }) });
    assert.equal(status, 200);
    this.stopped.push({ id: String(body.id), scope, name, at: this.#now(), liftedAt: Number.POSITIVE_INFINITY });
  }

  async #lift(): Promise<void> {
    const block = this.stopped.find(({ liftedAt }) => liftedAt === Number.POSITIVE_INFINITY);
    if (block === undefined) return;
    block.liftedAt = this.#now();
    assert.equal(
      (await this.#operate(`blocks/${block.id}/lift`)).status,
      200,
      'INV-06: a block is there until it is lifted',
    );
  }

  async #reset(who: Who): Promise<void> {
    const session = this.#sessions[who] ?? null;
    if (session === null) return;
    const { status } = await this.#operate(`sessions/${session}/reset`);
    if (status !== 200) return;
    this.#has[who] = false;
    this.#may[who] = false;
    this.#generations[who] = (this.#generations[who] ?? 0) + 1;
    this.resets.push({ who, at: this.#now(), session });
  }

  async #end(who: Who): Promise<void> {
    const agent = this.#agents[who];
    this.#agents[who] = null;
    if (agent && agent.family === 'handshake') await this.#meanwhile(agent.end());
  }

  /** With the other's session, as each family names it. */
  async #intrude(who: Who): Promise<void> {
    const [own, other] = [await this.#agent(who), this.#agents[1 - who]];
    const handle = this.#sessions[1 - who];
    if (own === null || !other || typeof handle !== 'string') return;
    const thief = new Agent(new URL(this.runs.at(-1)?.url ?? ''), other.family, { token: own.token });
    thief.session = other.session;
    const meta = other.family === 'modern' ? { 'io.cmcp/session': handle } : {};
    const reply = await thief.request('tools/call', { name: 'write', arguments: { key: 'intruder' } }, meta);
    this.intrusions.push(reply.error?.data?.error_code ?? reply.error ?? reply.result);
  }

  async #operate(path: string, body: Values = {}): ReturnType<TestBed['operator']> {
    const answer = await this.bed.operator('POST', `/operator/v1/${path}`, { reason: 'random', ...body });
    if (answer.status === 200) this.acts.push(path);
    return answer;
  }

  /** What stops this, as far as operators were told that it does. */
  #blocked(who: Who, tool: string): string | null {
    const names: Record<string, string | null> = { all: '*', agent: SUBJECTS[who], session: null, tool };
    const block = this.stopped.find(({ scope, name, liftedAt }) => liftedAt > this.#moment && names[scope] === name);
    return block === undefined ? null : `${block.scope} ${block.name}`;
  }

  #now(): number {
    this.#moment += 1;
    return this.#moment;
  }

  #key(): string {
    return `k${this.#now()}`;
  }

  #millis(): number {
    return this.#time.nowMicros() / 1000;
  }
}

/** What a reply says of its call. */
export function metaOf(reply: Reply | null): { call_id: string; session_id: string } | undefined {
  const meta = reply?.result?._meta ?? reply?.error?.data;
  return (meta as Values | undefined)?.['io.cmcp/call'] as { call_id: string; session_id: string } | undefined;
}

/** Whether an approval may still be used then. */
export const lasts = (asked: Asked, millis: number): boolean => millis < asked.askedMillis + TTL_MS;
