/** The bound on what a server answers, held while the answer comes. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { endSession, refused } from './support/calls.ts';
import { TestBed } from './support/gateway.ts';
import { callEntries } from './support/session-files.ts';
import { answerJson, fakeHttp, opening, type Received, resultFor, textResult } from './support/upstreams.ts';

const BOUND = 4096;
/** What is on its way when a connection ends: buffers of two sockets. */
const ON_ITS_WAY = 16 * 1024 * 1024;

const TOOLS = ['flood', 'free'].map((name) => ({ name, inputSchema: { type: 'object' } }));

const RULES = ['inspection: 1', 'version: one', 'tools:', '  flood:', `    max_size: ${BOUND}`, ''].join('\n');

const call = (client: Client, name: string) => client.callTool({ name, arguments: {} });

const sessionOf = ({ data }: { data: Record<string, unknown> }): string =>
  (data['io.cmcp/call'] as { session_id: string }).session_id;

/** Goes on writing for as long as anybody takes it, at most 90 MB. */
function flood(response: ServerResponse, type: string, written: { bytes: number }): void {
  response.writeHead(200, { 'content-type': type });
  const piece = `data: ${'x'.repeat(64 * 1024)}\n`;
  const more = (): void => {
    if (response.destroyed || written.bytes > 90_000_000) return void response.end();
    written.bytes += piece.length;
    if (response.write(piece)) setImmediate(more);
    else response.once('drain', more);
  };
  more();
}

async function bedBefore(t: TestContext, handle: (received: Received) => void, mode = 'enforcing'): Promise<TestBed> {
  const open = opening('modern', { tools: {} }, {}, TOOLS);
  const server = await fakeHttp(t, (received) => {
    if (!open(received)) handle(received);
  });
  const bed = await TestBed.create({
    tools: TOOLS,
    config: `mode: ${mode}\nlimits: { response_bytes: 104857600 }\ninspection: ./inspection.yaml`,
    record: { url: (server.transport as { url: string }).url },
  });
  t.after(() => bed.close());
  await writeFile(join(bed.folder, 'inspection.yaml'), RULES);
  return bed;
}

test('an answer beyond the bound of its tool is not read on, whether it is a body or a stream [ATK-18]', async (t) => {
  for (const type of ['application/json', 'text/event-stream']) {
    const written = { bytes: 0 };
    const bed = await bedBefore(t, ({ response }) => flood(response, type, written));
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const refusal = await refused(call(client, 'flood'));
    assert.equal(refusal.data.error_code, 'RESPONSE_SIZE_EXCEEDED');
    assert.ok(written.bytes < ON_ITS_WAY, `${written.bytes} bytes were written`);
    await endSession(client);
    const [entry] = await callEntries(started, sessionOf(refusal));
    assert.equal(entry?.response_inspection_result, 'size_exceeded');
  }
});

test('what keeps to the bound passes, another tool has its own bound, and a mode that withholds nothing reads all of it', async (t) => {
  const handle = ({ message, response }: Received): void => {
    const bytes = message.params?.name === 'free' || mode === 'advisory' ? 3 * BOUND : BOUND - 100;
    answerJson(response, resultFor(message, textResult('x '.repeat(bytes / 2))));
  };
  let mode = 'enforcing';
  for (mode of ['enforcing', 'advisory']) {
    const bed = await bedBefore(t, handle, mode);
    const client = await bed.client((await bed.start()).url);
    for (const tool of ['flood', 'free']) assert.ok((await call(client, tool)).content, tool);
  }
});
