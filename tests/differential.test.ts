import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import { startEverythingServer } from './conformance/everything/http.ts';
import { type Agent, agentOf, type Seen, type Step } from './differential/agent.ts';
import { type Cell, Normalisation } from './differential/normalise.ts';
import { type Family, startOddServer } from './differential/odd-server.ts';
import { HttpWire, StdioWire, type Wire } from './differential/wire.ts';
import { ALLOW_EVERYTHING, type ClientEntry, mayAsk, TakenOver } from './support/taken-over.ts';

const FAMILIES = ['handshake', 'modern'] as const;
const TRANSPORTS = ['http', 'stdio'] as const;
type Transport = (typeof TRANSPORTS)[number];
const SERVERS = ['everything', 'odd'] as const;
type Server = (typeof SERVERS)[number];

interface Recorded {
  title: string;
  /** Which it is recorded with; lists are of both, as the gateway has them. */
  server: Server | 'both';
  steps: Step[];
}

/** A server that a busy machine starts slowly is waited for. */
const PATIENT = 'limits: { upstream_timeout: 5m }';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const PROGRAMS: Record<Server, (family: Family) => string[]> = {
  everything: (family) => [path('conformance/everything-server.ts'), '--stdio', '--family', family],
  odd: (family) => ['--conditions=cmcp-source', path('differential/odd-server.ts'), family],
};
const START: Record<Server, (family: Family) => Promise<{ url: string; close: () => Promise<void> }>> = {
  everything: (family) => startEverythingServer({ family }),
  odd: startOddServer,
};

const corpus: Recorded[] = [];
/** Where each server listens, and what has to be closed in the end. */
const urls = new Map<string, string>();
const closing: (() => Promise<void>)[] = [];
const gateways = new Map<string, { over: TakenOver; url: URL }>();
const normalisation = new Normalisation();

before(async () => {
  const folder = path('differential/corpus');
  for (const file of (await readdir(folder)).sort()) {
    corpus.push(parseJson(await readFile(`${folder}/${file}`)) as unknown as Recorded);
  }
  for (const family of FAMILIES) {
    for (const server of SERVERS) {
      const { url, close } = await START[server](family);
      urls.set(`${server} ${family}`, url);
      closing.push(close);
    }
  }
  for (const family of FAMILIES) for (const transport of TRANSPORTS) await takeOver(family, transport);
});
after(async () => {
  await Promise.all([...gateways.values()].map(({ over }) => over.close()));
  await Promise.all(closing.map((close) => close()));
});

async function takeOver(family: Family, transport: Transport): Promise<void> {
  const entries = SERVERS.map((server): [string, ClientEntry] => {
    const url = urls.get(`${server} ${family}`) ?? '';
    return [server, transport === 'http' ? { url } : { command: process.execPath, args: PROGRAMS[server](family) }];
  });
  const amend = (catalog: Parameters<typeof mayAsk>[0]): void => mayAsk(catalog, 'everything');
  const over = await TakenOver.create(Object.fromEntries(entries), {
    policies: ALLOW_EVERYTHING,
    amend,
    config: PATIENT,
  });
  gateways.set(`${family} ${transport}`, { over, url: await over.start() });
}

/** A server of the agent's own family, with nothing in between. */
function direct(server: Server, family: Family, transport: Transport): Wire {
  if (transport === 'http') return new HttpWire(urls.get(`${server} ${family}`) ?? '');
  const child = spawn(process.execPath, PROGRAMS[server](family), { stdio: ['pipe', 'pipe', 'ignore'] });
  return new StdioWire(child.stdout, child.stdin, async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end();
    await gone;
  });
}

async function throughGateway(behind: string, transport: Transport): Promise<Wire> {
  const { over, url } = gateways.get(behind) ?? assert.fail(behind);
  if (transport === 'http') return new HttpWire(url.href, over.headers);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const served = over.serveStdio(input, output);
  return new StdioWire(output, input, async () => {
    input.end();
    await served;
  });
}

async function played(agent: Agent, servers: readonly Server[]): Promise<Map<string, Seen[]>> {
  const opened = await agent.open();
  assert.ok('result' in opened, JSON.stringify(opened));
  const seen = new Map<string, Seen[]>();
  for (const { title, steps } of corpus.filter(({ server }) => server === 'both' || servers.includes(server))) {
    const all: Seen[] = [];
    for (const step of steps) all.push(await agent.perform(step));
    seen.set(title, all);
  }
  await agent.close();
  return seen;
}

const baselines = new Map<string, Promise<Map<string, Seen[]>>>();

/** What an agent of a family sees of the servers of its family. */
function baseline(family: Family, transport: Transport): Promise<Map<string, Seen[]>> {
  const key = `${family} ${transport}`;
  const known = baselines.get(key) ?? playedDirect(family, transport);
  baselines.set(key, known);
  return known;
}

async function playedDirect(family: Family, transport: Transport): Promise<Map<string, Seen[]>> {
  const [everything, odd] = await Promise.all(
    SERVERS.map((server) => played(agentOf(family, direct(server, family, transport), transport), [server])),
  );
  assert.ok(everything !== undefined && odd !== undefined);
  const all = new Map([...everything, ...odd]);
  for (const { title } of corpus.filter(({ server }) => server === 'both')) {
    all.set(
      title,
      (everything.get(title) ?? []).map((seen, index) => joined(seen, odd.get(title)?.[index])),
    );
  }
  return all;
}

/** Two lists as one. */
function joined(one: Seen, other: Seen | undefined): Seen {
  const [left, right] = [one.answer.result, other?.answer.result] as (JsonObject | undefined)[];
  assert.ok(left !== undefined && right !== undefined);
  const result = Object.entries(left).map(([key, value]) => {
    const rest = right[key];
    return [key, Array.isArray(value) && Array.isArray(rest) ? [...value, ...rest] : value];
  });
  return { ...one, answer: { result: Object.fromEntries(result) } };
}

for (const agent of FAMILIES) {
  for (const over of TRANSPORTS) {
    for (const server of FAMILIES) {
      for (const behind of TRANSPORTS) {
        const name = `an agent of the ${agent} family over ${over}, servers of the ${server} family over ${behind}`;
        test(`${name}: what it sees is what it sees without a gateway [ERA-01] [ERA-02]`, async () => {
          const expected = await baseline(agent, behind);
          const wire = await throughGateway(`${server} ${behind}`, over);
          const seen = await played(agentOf(agent, wire, over), SERVERS);
          for (const recorded of corpus) {
            for (const [index, step] of recorded.steps.entries()) {
              const cell: Cell = { agent, server, step };
              const [left, right] = [seen.get(recorded.title)?.[index], expected.get(recorded.title)?.[index]];
              assert.ok(left !== undefined && right !== undefined);
              const [ours, theirs] = normalisation.both(cell, left, right);
              assert.equal(
                ours,
                theirs,
                `${recorded.title}: ${stringifyJson(step as unknown as JsonObject).slice(0, 200)}`,
              );
            }
          }
        });
      }
    }
  }
}

test('every normalisation is needed', () => {
  assert.deepEqual(normalisation.unused(), []);
});
