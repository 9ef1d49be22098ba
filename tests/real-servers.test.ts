import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { lintCatalog } from '@cmcp/gateway';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { chromeDevtools } from './real-servers/chrome-devtools.ts';
import { ASKING_TOOLS, everything, SESSION_RESOURCES } from './real-servers/everything.ts';
import { filesystem } from './real-servers/filesystem.ts';
import { memory } from './real-servers/memory.ts';
import { playwright } from './real-servers/playwright.ts';
import { sequentialThinking } from './real-servers/sequential-thinking.ts';
import type { Place, RealServer } from './real-servers/server.ts';
import { type Answer, type Definition, Visitor } from './real-servers/visitor.ts';
import { chromiumPath } from './support/chromium-path.ts';
import { ALLOW_EVERYTHING, type ClientEntry, mayAsk, TakenOver, type WrittenCatalog } from './support/taken-over.ts';

const PAGE = `<!doctype html><title>A form</title><h1>A form</h1>
<form>
<label>Name <input id="name"></label>
<label>Colour <select id="colour"><option>red</option><option>blue</option></select></label>
<label>File <input id="file" type="file"></label>
<button id="ask" type="button" onclick="alert('Sure?')">Ask</button>
</form>
<button id="from" draggable="true">From</button>
<button id="to" ondragover="event.preventDefault()" ondrop="event.preventDefault()">To</button>
<script>console.error('a complaint')</script>`;

const chromium = chromiumPath();
const SERVERS: RealServer[] = [
  everything,
  filesystem,
  memory,
  sequentialThinking,
  ...(chromium === null ? [] : [playwright(chromium), chromeDevtools(chromium)]),
];

let place: Place;
let over: TakenOver;
let gateway: URL;
const site = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE));

before(async () => {
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-servers-'));
  place = { folder, page: `http://127.0.0.1:${(site.address() as AddressInfo).port}/` };
  const entries = await Promise.all(SERVERS.map(async (server) => [server.name, server.entry(await made(server))]));
  const amend = approveAsking(await listedForAsking());
  over = await TakenOver.create(Object.fromEntries(entries), { policies: ALLOW_EVERYTHING, amend });
  gateway = await over.start();
});
after(async () => {
  await over?.close();
  site.closeAllConnections();
  site.close();
  await rm(place.folder, { recursive: true, force: true });
});

/** The folder of a server, as it is at the start of every visit. */
async function made({ name, files = {} }: RealServer): Promise<Place> {
  const folder = join(place.folder, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text, 'latin1');
  return { ...place, folder };
}

/** What the everything-server lists only for a client that it may ask: `cmcp init` is none. */
async function listedForAsking(): Promise<Definition[]> {
  const visitor = await direct(everything, place);
  try {
    return (await visitor.list('tools')).filter(({ name }) => ASKING_TOOLS.includes(String(name)));
  } finally {
    await visitor.close();
  }
}

/** Lets the everything-server ask, and approves what it has for those whom it may ask. */
function approveAsking(extra: readonly Definition[]): (catalog: WrittenCatalog) => void {
  return (catalog) => {
    mayAsk(catalog, everything.name);
    const labels = { server: everything.name, sensitivity: 'public', destination_class: 'internal' };
    for (const definition of extra) {
      catalog.tools.push({ name: String(definition.name), ...labels, effects: 'write', definition } as JsonObject);
    }
    const { uriTemplate, name } = SESSION_RESOURCES;
    catalog.resources.push({ name, ...labels, uri_template: uriTemplate, definition: { uriTemplate, name } });
  };
}

const direct = (server: RealServer, at: Place): Promise<Visitor> =>
  Visitor.connect(new StdioClientTransport({ ...spawnable(server.entry(at)), stderr: 'ignore' }), at.folder);

function spawnable(entry: ClientEntry): { command: string; args: string[]; env: Record<string, string> } {
  assert.ok('command' in entry);
  return { args: [], ...entry, env: { PATH: process.env.PATH ?? '', ...entry.env } };
}

/** What the gateway calls something of a server. */
function exposed(kind: 'tools' | 'prompts', server: RealServer): (name: string) => string {
  const own = over.catalog[kind].filter((record) => record.server === server.name);
  const names = new Map(own.map(({ name, upstream_name = name }) => [upstream_name, String(name)]));
  return (name) => names.get(name) ?? name;
}

/** Everything that a server has, as one side sees it. */
interface Visit {
  tools: Definition[];
  resources: Definition[];
  resourceTemplates: Definition[];
  prompts: Definition[];
  called: Answer[];
  read: Answer[];
  got: Answer[];
}

/** What is different about a visit through the gateway: it has the things of other servers too. */
interface Through {
  tool: (name: string) => string;
  prompt: (name: string) => string;
  uris: unknown[];
}

const KINDS = ['tools', 'resources', 'resourceTemplates', 'prompts'] as const;

async function visit(visitor: Visitor, server: RealServer, through: Through | null): Promise<Visit> {
  const at = await made(server);
  const lists = {} as Record<(typeof KINDS)[number], Definition[]>;
  for (const kind of KINDS) lists[kind] = await visitor.list(kind);
  const called = await visitor.walk(server.steps(at), through?.tool ?? String);
  const uris = through?.uris ?? lists.resources.map(({ uri }) => uri);
  const read: Answer[] = [];
  for (const uri of [...uris, ...Object.values(server.templates ?? {})])
    read.push(await visitor.ask('resources/read', { uri }));
  const got: Answer[] = [];
  for (const [name, args] of Object.entries(server.prompts ?? {})) {
    got.push(await visitor.ask('prompts/get', { name: (through?.prompt ?? String)(name), arguments: args }));
  }
  return { ...lists, called, read, got };
}

for (const server of SERVERS) {
  test(`${server.name} from npm: all that it has is listed, and each tool, resource and prompt answers through the gateway as it does direct [MCP26-43]`, async () => {
    const alone = await direct(server, { ...place, folder: join(place.folder, server.name) });
    const before = await visit(alone, server, null).finally(() => alone.close());
    const uris = before.resources.map(({ uri }) => uri);
    const through = { tool: exposed('tools', server), prompt: exposed('prompts', server), uris };
    const agent = await Visitor.connect(throughGateway(), join(place.folder, server.name));
    const seen = await visit(agent, server, through).finally(() => agent.close());

    for (const kind of KINDS) assert.deepEqual(approved(server, kind, seen[kind]), offered(server, kind, before[kind]));
    const tools = new Set(before.tools.map(({ name }) => name));
    assert.deepEqual(new Set(server.steps(place).map(([tool]) => tool)), tools, 'every tool is called');
    assert.deepEqual(failing(server, before.called), server.failing ?? [], 'nothing fails that should not');
    assert.equal(before.got.length, before.prompts.length, 'every prompt is used');
    for (const part of ['called', 'read', 'got'] as const) {
      assert.deepEqual(seen[part].map(comparable(server)), before[part].map(comparable(server)), part);
    }
  });
}

if (chromium === null)
  test('the servers that drive a browser', { skip: 'no Chromium on this machine' }, () => undefined);

/** The tools whose calls fail, in the order of the calls. */
const failing = (server: RealServer, called: Answer[]): unknown[] =>
  server.steps(place).flatMap(([tool], index) => {
    const answer = called[index];
    return answer !== undefined && ('error' in answer || answer.result.isError === true) ? [tool] : [];
  });

const throughGateway = () =>
  new StreamableHTTPClientTransport(gateway, { requestInit: { headers: over.headers } }) as Transport;

const keyOf = (kind: (typeof KINDS)[number]): string =>
  ({ tools: 'name', prompts: 'name', resources: 'uri', resourceTemplates: 'uriTemplate' })[kind];

/** What the gateway lists of a server, by key. */
function approved(server: RealServer, kind: (typeof KINDS)[number], listed: Definition[]): Map<unknown, Definition> {
  const records = over.catalog[kind === 'resourceTemplates' ? 'resources' : kind];
  const own = new Set<unknown>(records.filter((record) => record.server === server.name).map(exposedKey(kind)));
  const key = keyOf(kind);
  return new Map(listed.flatMap((each) => (own.has(each[key]) ? [[each[key], each]] : [])));
}

const exposedKey =
  (kind: (typeof KINDS)[number]) =>
  (record: JsonObject): unknown =>
    record[{ tools: 'name', prompts: 'name', resources: 'uri', resourceTemplates: 'uri_template' }[kind]];

/** What a server lists itself, as it is offered through a gateway: its own definition, under the exposed name. */
function offered(server: RealServer, kind: (typeof KINDS)[number], listed: Definition[]): Map<unknown, Definition> {
  const nameOf = kind === 'tools' || kind === 'prompts' ? exposed(kind, server) : null;
  const added = kind === 'resourceTemplates' && server === everything ? [SESSION_RESOURCES] : [];
  const shown = [...listed, ...added].map(({ execution: _, ...definition }: Definition) =>
    nameOf === null ? definition : { ...definition, name: nameOf(String(definition.name)) },
  );
  return new Map(shown.map((definition) => [definition[keyOf(kind)], definition]));
}

/** An answer without what is the gateway's own, and as exact as the server is steady. */
function comparable({ steady }: RealServer): (answer: Answer) => unknown {
  return (answer) => {
    if ('error' in answer) return { error: answer.error };
    const { _meta: _, ...result } = answer.result;
    if (steady !== undefined) return JSON.parse(steadied(result, steady));
    const content = result.content as { type: string }[];
    return { isError: result.isError ?? false, types: content.map(({ type }) => type) };
  };
}

const steadied = (result: Record<string, unknown>, steady: (text: string) => string): string =>
  JSON.stringify(result, (_, value: unknown) => (typeof value === 'string' ? steady(value) : value));

test('the linter finds nothing in what honest servers offer [ATK-01] [ATK-04]', () => {
  assert.deepEqual(lintCatalog(over.catalog), []);
});
