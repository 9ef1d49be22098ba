import { access } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type Agent, type Answer, type CallReceipt, connectAgent } from '../agent.ts';
import type { Person } from '../approver.ts';
import { type Cmcp, run } from '../cmcp.ts';
import { type GatewayProcess, type StartedGateway, startGateway } from '../gateway-process.ts';
import { type RecordedCall, recordedCall } from '../operator.ts';
import { APPROVED } from '../review.ts';
import {
  type CallStep,
  callAfterRugPull,
  customerData,
  externalWriteFromNewSession,
  firstSession,
  refundAnswered,
  refundAskedFor,
} from '../scenario.ts';
import type { Outbox } from '../servers/outbox.ts';
import type { Facts, Outcome, Teller } from '../teller.ts';
import type { Workspace } from '../workspace.ts';
import type { Approved } from './set-up.ts';

/** How long the gateway may take to look at a list that a server says has changed. */
const NOTICE_MS = 10_000;

/** What the served calls left behind. */
export interface Recorded {
  /** Files of the two sessions, in order. */
  sessionFiles: [first: string, second: string];
  keyFile: string;
  /** The call that read customer data. */
  customerCall: string;
  /** Whether a person approved the call that waited for one. */
  granted: boolean;
}

interface World {
  teller: Teller;
  cmcp: Cmcp;
  workspace: Workspace;
  outbox: Outbox;
  approved: Approved;
  person: Person;
}

/** Serves one agent in two sessions. The gateway and all its servers are gone when this settles. */
export async function govern(world: World): Promise<Recorded> {
  const gateway = await start(world);
  try {
    const { started } = gateway;
    const { read, granted } = await workInFirstSession(world, started);
    const second = await workInSecondSession(world, started);
    await stopGateway(world, gateway);
    const sessionFiles: Recorded['sessionFiles'] = [
      await sessionFile(started, read.session_id),
      await sessionFile(started, second.session_id),
    ];
    return { sessionFiles, keyFile: started.keyFile, customerCall: read.call_id, granted };
  } finally {
    await gateway.stop();
  }
}

function start({ teller, cmcp, approved }: World): Promise<GatewayProcess> {
  return teller.step(
    {
      id: 'start',
      chapter: 'govern',
      title: 'The gateway starts, in front of the four servers',
      asked: 'CMCP_DEV_MODE=1 cmcp start --config gateway/cmcp.yaml',
      expected: {
        decided: 'done',
        facts: { mode: 'enforcing', policy_hash: approved.policyHash, catalog_hash: approved.catalogHash },
      },
    },
    async () => {
      const result = await startGateway(cmcp, approved.config);
      const { url, mode, trustLevel, policyHash, catalogHash, keyFile } = result.started;
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: `It serves ${url} and enforces. Its signing key is a software key: without hardware, nothing vouches for this machine, and every report says so.`,
        facts: {
          url,
          mode,
          trust_level: trustLevel,
          policy_hash: policyHash,
          catalog_hash: catalogHash,
          key_file: keyFile,
        },
        result,
      };
    },
  );
}

/** Resolves with the receipt of the call that read customer data, and what a person said of another. */
async function workInFirstSession(
  world: World,
  started: StartedGateway,
): Promise<{ read: CallReceipt; granted: boolean }> {
  const agent = await connectAgent(started.url, world.approved.agent.token, 'handshake');
  try {
    await listTools(world, agent);
    for (const step of firstSession(world.workspace)) await call(world, started, agent, step);
    const granted = await askedAPerson(world, started, agent);
    const receipts = new Map<string, CallReceipt>();
    for (const step of customerData(world.workspace, world.outbox.posts.length))
      receipts.set(step.id, (await call(world, started, agent, step)).receipt);
    const read = receipts.get('customer-data');
    if (read === undefined) throw new Error('the story has lost the call that reads customer data');
    await leave(world, started, agent, read.session_id);
    return { read, granted };
  } finally {
    await agent.hangUp();
  }
}

async function workInSecondSession(world: World, started: StartedGateway): Promise<CallReceipt> {
  const agent = await connectAgent(started.url, world.approved.agent.token, '2026-07-28');
  try {
    const published = world.outbox.posts.length;
    await call(world, started, agent, externalWriteFromNewSession(published));
    const rugPull = (): Promise<void> =>
      world.outbox.poison(AbortSignal.any([world.cmcp.signal, AbortSignal.timeout(NOTICE_MS)]));
    return (await call(world, started, agent, callAfterRugPull(published), rugPull)).receipt;
  } finally {
    await agent.hangUp();
  }
}

/** A call that policy holds back, a person's answer, and the same call again. Resolves with whether it was approved. */
async function askedAPerson(world: World, started: StartedGateway, agent: Agent): Promise<boolean> {
  const held = await call(world, started, agent, refundAskedFor());
  if (held.allowed || held.approvalId === null) throw new Error('the call does not wait for an approval');
  const granted = await answered(world, held.approvalId);
  await call(world, started, agent, refundAnswered(granted));
  return granted;
}

function answered({ teller, cmcp, person }: World, id: string): Promise<boolean> {
  const command = async (action: string, ...more: string[]): Promise<string> => {
    const args = ['approve', action, id, ...more, '--config', 'gateway/cmcp.yaml'];
    const { code, stdout, stderr } = await run(cmcp, args);
    if (code !== 0) throw new Error(`cmcp ${args.join(' ')} ended with ${code}: ${stderr.trim()}`);
    return stdout;
  };
  return teller.step(
    {
      id: 'approve',
      chapter: 'govern',
      title: 'A person looks at the whole call, and answers',
      asked: `cmcp approve show ${id.slice(0, 8)}… ; cmcp approve grant ${id.slice(0, 8)}… --reason TEXT`,
      expected: { decided: 'done', facts: person.scripted ? { answer: 'granted' } : {} },
    },
    async () => {
      // `grant` shows it as well.
      const shown = person.scripted ? '' : await command('show');
      const granted = await person.approves(shown, cmcp.signal);
      await command(granted ? 'grant' : 'refuse', '--reason', granted ? 'agreed with finance' : 'not agreed');
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: granted
          ? 'It is granted: for this call of this agent with these arguments, once, and not for long.'
          : 'It is refused, by a person.',
        facts: { approval_id: id, answer: granted ? 'granted' : 'refused', scripted: person.scripted },
        result: granted,
      };
    },
  );
}

function listTools({ teller }: World, agent: Agent): Promise<void> {
  return teller.step(
    {
      id: 'list-tools',
      chapter: 'govern',
      title: 'An agent connects, with the official MCP client, and asks what there is',
      asked: 'tools/list',
      expected: { decided: 'done', facts: { tools: [...APPROVED] } },
    },
    async () => {
      const tools = (await agent.tools()).sort();
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: `It sees ${tools.length} approved tools of four servers behind one address, and nothing else: ${tools.join(', ')}.`,
        facts: { tools },
        result: undefined,
      };
    },
  );
}

/** One call, with what the gateway's own record says of it. */
function call(
  world: World,
  started: StartedGateway,
  agent: Agent,
  step: CallStep,
  before: () => Promise<void> = async () => undefined,
): Promise<Answer> {
  const { expected } = step;
  const [exposure_before, exposure_after] = expected.exposure;
  const facts: Facts = { exposure_before, exposure_after, updates_published: step.published };
  if (expected.code !== undefined) facts.error_code = expected.code;
  return world.teller.step(
    {
      id: step.id,
      chapter: 'govern',
      title: step.title,
      asked: `${step.tool} ${JSON.stringify(step.arguments).replaceAll(world.workspace.root + sep, '')}`,
      expected: { decided: expected.decided, by: [expected.by], facts },
    },
    async () => {
      await before();
      const answer = await agent.call(step.tool, step.arguments);
      const { session_id, call_id } = answer.receipt;
      const operator = { socket: started.operatorSocket, token: world.approved.operatorToken };
      const entry = await recordedCall(operator, session_id, call_id);
      return { ...outcomeOf(world, step, answer, entry), result: answer };
    },
  );
}

function outcomeOf({ outbox }: World, step: CallStep, answer: Answer, entry: RecordedCall): Outcome {
  const by = (entry.policy_rule_matched ?? '').split(',');
  const by_kind = entry.policy_ids.length > 0 ? 'policy' : 'guard';
  const facts: Facts = {
    tool: step.tool,
    recorded: entry.policy_decision,
    rule: entry.policy_rule_matched,
    exposure_before: entry.session_sensitivity_before,
    exposure_after: entry.session_sensitivity_after,
    updates_published: outbox.posts.length,
    ...answer.receipt,
  };
  if (answer.allowed)
    return { decided: 'allowed', by, by_kind, why: step.why, facts: { ...facts, answer: answer.text } };
  const told = answer.advice.advice ?? answer.message;
  return {
    decided: 'refused',
    by,
    by_kind,
    why: `${step.why} The agent is told: "${told}"`,
    facts: { ...facts, error_code: answer.code, told },
  };
}

function leave({ teller }: World, started: StartedGateway, agent: Agent, sessionId: string): Promise<void> {
  return teller.step(
    {
      id: 'close-session',
      chapter: 'govern',
      title: 'The agent ends its session',
      asked: 'DELETE /mcp',
      expected: { decided: 'done' },
    },
    async () => {
      await agent.endSession();
      const file = await sessionFile(started, sessionId);
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: 'The gateway signs a claim over everything that was decided, and writes one file that anybody can check.',
        facts: { session_id: sessionId, file },
        result: undefined,
      };
    },
  );
}

function stopGateway({ teller }: World, gateway: GatewayProcess): Promise<void> {
  return teller.step(
    {
      id: 'stop',
      chapter: 'govern',
      title: 'The gateway is stopped',
      asked: 'SIGTERM',
      expected: { decided: 'done', facts: { exit_code: 0 } },
    },
    async () => ({
      decided: 'done',
      by: [],
      by_kind: null,
      why: 'It closed and signed what was open and ended the servers that it had started. Its key is gone with it.',
      facts: { exit_code: await gateway.stop(), sessions_folder: gateway.started.sessionsFolder },
      result: undefined,
    }),
  );
}

/** Rejects when the file is not there. */
async function sessionFile({ sessionsFolder }: StartedGateway, sessionId: string): Promise<string> {
  const file = join(sessionsFolder, `${sessionId}.cmcp.json`);
  await access(file);
  return file;
}
