import { setTimeout as pause } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { CREDENTIAL } from '../../tests/support/bad-company.ts';
import { beginAndLeave } from './abandon.ts';
import { FLAPPING, SERVERS, TOOLS, WATCHED } from './setting.ts';

/** What was done, by what became of it. */
export interface Tally {
  answered: number;
  /** Of the server that goes and comes. */
  refused: number;
  sessions: number;
  abandoned: number;
  announced: number;
  /** What should have been answered, and was not. */
  failed: string[];
}

/** Between two calls of one client, in milliseconds: the load is steady, not as high as it can be. */
const PAUSE_MS = 40;
const CALLS_PER_CONNECTION = 24;
const REVISIONS = ['2026-07-28', 'legacy'] as const;

/** Clients of both families that come, work, listen and go, some without a word; until `signal` aborts. */
export async function load(url: URL, signal: AbortSignal): Promise<Tally> {
  const tally: Tally = { answered: 0, refused: 0, sessions: 0, abandoned: 0, announced: 0, failed: [] };
  const clients = REVISIONS.flatMap((revision) =>
    SERVERS.map((server) => work({ url, revision, server, tally }, signal)),
  );
  await Promise.all([...clients, abandon(url, tally, signal)]);
  return tally;
}

interface Work {
  url: URL;
  revision: (typeof REVISIONS)[number];
  server: (typeof SERVERS)[number];
  tally: Tally;
}

async function work(job: Work, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { client, transport } = await connected(job);
    job.tally.sessions += 1;
    await listen(job, client);
    for (let at = 0; at < CALLS_PER_CONNECTION && !signal.aborted; at += 1) {
      await callOne(job, client, at);
      await pause(PAUSE_MS);
    }
    await transport.terminateSession();
    await client.close();
  }
}

async function connected({
  url,
  revision,
  tally,
}: Work): Promise<{ client: Client; transport: StreamableHTTPClientTransport }> {
  const client = new Client(
    { name: 'soak', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: {} }, sampling: {} },
      versionNegotiation: { mode: revision === 'legacy' ? 'legacy' : { pin: revision } },
    },
  );
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept',
    content: { username: 'soak', email: 'soak@example.com' },
  }));
  client.setRequestHandler('sampling/createMessage', () => ({
    role: 'assistant',
    content: { type: 'text', text: 'An answer of the model.' },
    model: 'no-model',
    stopReason: 'endTurn',
  }));
  client.setNotificationHandler('notifications/resources/updated', () => {
    tally.announced += 1;
  });
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization: CREDENTIAL } } });
  await client.connect(transport);
  return { client, transport };
}

async function listen({ revision, server }: Work, client: Client): Promise<void> {
  if (server === 'http' && revision === 'legacy') await client.subscribeResource({ uri: WATCHED });
}

async function callOne({ server, tally }: Work, client: Client, at: number): Promise<void> {
  const tool = TOOLS[at % TOOLS.length] ?? TOOLS[0];
  const name = at % 5 === 4 ? FLAPPING : `${server}_${tool}`;
  const args = ARGUMENTS[tool] ?? {};
  try {
    await client.callTool({ name, arguments: args }, { onprogress: () => {} });
    tally.answered += 1;
  } catch (error) {
    if (name === FLAPPING) tally.refused += 1;
    else tally.failed.push(`${name}: ${String(error)}`);
  }
}

const ARGUMENTS: Partial<Record<(typeof TOOLS)[number], Record<string, string>>> = {
  test_elicitation: { message: 'Who are you?' },
  test_sampling: { prompt: 'Say something.' },
  test_trigger_resource_update: { uri: WATCHED },
};

/** Sessions that are opened and left, streams and calls with them, without a word. */
async function abandon(url: URL, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await beginAndLeave(Number(url.port), tally.abandoned);
    tally.abandoned += 1;
    await pause(PAUSE_MS);
  }
}
