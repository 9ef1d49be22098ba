import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { TestContext } from 'node:test';
import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import type { AskKind } from '../../packages/gateway/src/mcp/asks.ts';
import { nativeSchema } from '../../packages/gateway/src/policy/schema.ts';
import { AGENT_TOKEN, OTHER_TOKEN, TestBed } from './gateway.ts';
import { type Answered, type OpenStream, type Sent, send, stream } from './ingress.ts';
import { EVERYTHING, type Offered, type Peer } from './peer.ts';

export const AGENT = `Bearer ${AGENT_TOKEN}`;
export const OTHER = `Bearer ${OTHER_TOKEN}`;
const LABELS = { server: 'peer', sensitivity: 'public', destination_class: 'internal' };

export interface Behind {
  /** The server behind the gateway: one over HTTP, or a script of Node over stdio. */
  peer: Peer | { script: string; offered?: Offered };
  asks?: AskKind[];
  /** Cedar files; by default everything that is approved is permitted. */
  policies?: Record<string, string>;
  /** Lines of cmcp.yaml added to the defaults. */
  config?: string;
  /** Members that are added to the record of a tool. */
  tool?: JsonObject;
  /** Records of resources in place of those that the server offers. */
  resources?: JsonObject[];
}

/** The object that a message holds under `key`; an empty one where it holds none. */
export function objectAt(message: JsonObject | null | undefined, key: string): JsonObject {
  const value = message ? member(message, key) : undefined;
  return isObject(value) ? value : {};
}

export const PERMIT_ALL = { 'all.cedar': 'permit (principal, action, resource);' };

/** A gateway with one server behind it, all that it offers approved, as the agents at its endpoint see it. */
export interface Front {
  bed: TestBed;
  port: number;
  send(sent: Sent): Promise<Answered>;
  stream(sent: Sent): Promise<OpenStream>;
}

export async function bedBehind(t: TestContext, behind: Behind): Promise<TestBed> {
  const bed = await TestBed.create({
    tools: [],
    policies: behind.policies ?? PERMIT_ALL,
    ...(behind.config === undefined ? {} : { config: behind.config }),
  });
  t.after(() => bed.close());
  const text = stringifyJson(catalogRecord(behind));
  await writeFile(join(bed.folder, 'catalog.json'), text);
  const schema = nativeSchema(parseCatalog(text, 'catalog.json'));
  await writeFile(join(bed.folder, 'policy', 'schema.cedarschema'), schema);
  return bed;
}

/** A gateway over HTTP in front of a server. */
export async function front(t: TestContext, behind: Behind): Promise<Front> {
  const bed = await bedBehind(t, behind);
  const port = Number((await bed.start()).url.port);
  return {
    bed,
    port,
    send: (sent) => send(port, { credential: AGENT, ...sent }),
    stream: (sent) => stream(port, { credential: AGENT, ...sent }),
  };
}

/** A gateway over stdio, as the one client at its pipe sees it. */
export interface Pipe {
  bed: TestBed;
  /** Writes one line. */
  write(line: string): void;
  say(message: JsonObject): void;
  /** The next line, as text; null at the end. */
  line(): Promise<string | null>;
  /** The next message. */
  next(): Promise<JsonObject>;
  /** Ends the input and gives back everything that is still said. */
  rest(): Promise<JsonObject[]>;
}

export async function pipe(t: TestContext, behind: Behind): Promise<Pipe> {
  const bed = await bedBehind(t, behind);
  const gateway = await bed.gateway();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const served = gateway.serveStdio(input, output, () => {}).finally(() => output.end());
  t.after(async () => {
    input.end();
    await gateway.stop();
    await served;
  });
  let text = '';
  output.setEncoding('utf8');
  const chunks = output[Symbol.asyncIterator]() as AsyncIterator<string>;
  const line = async (): Promise<string | null> => {
    for (;;) {
      const end = text.indexOf('\n');
      if (end >= 0) {
        const found = text.slice(0, end);
        text = text.slice(end + 1);
        return found;
      }
      const { value, done } = await chunks.next();
      if (done === true) return null;
      text += value;
    }
  };
  const next = async (): Promise<JsonObject> => JSON.parse((await line()) ?? 'null');
  return {
    bed,
    write: (written) => void input.write(`${written}\n`),
    say: (message) => void input.write(`${JSON.stringify(message)}\n`),
    line,
    next,
    rest: async () => {
      input.end();
      const said: JsonObject[] = [];
      for (let each = await line(); each !== null; each = await line()) said.push(JSON.parse(each));
      return said;
    },
  };
}

function catalogRecord({ peer, asks = [], tool = {}, resources }: Behind): JsonObject {
  const { tools, resources: single, resourceTemplates, prompts } = peer.offered ?? EVERYTHING;
  const transport: JsonObject =
    'url' in peer
      ? { transport: 'streamable-http', url: peer.url }
      : { transport: 'stdio', spawn: { command: process.execPath, args: ['-e', peer.script] } };
  const approved = [
    ...single.map((definition, index) => ({ name: `resource-${index}`, uri: definition.uri ?? '', definition })),
    ...resourceTemplates.map((definition, index) => ({
      name: `template-${index}`,
      uri_template: definition.uriTemplate ?? '',
      definition,
    })),
  ];
  return {
    catalog: 1,
    servers: [{ id: 'peer', ...transport, ...(asks.length === 0 ? {} : { asks }) }],
    tools: tools.map((definition) => ({
      name: definition.name ?? '',
      definition,
      ...LABELS,
      effects: 'read',
      ...tool,
    })),
    resources: resources ?? approved.map((record) => ({ ...record, ...LABELS })),
    prompts: prompts.map((definition) => ({ name: definition.name ?? '', definition, ...LABELS })),
  };
}
