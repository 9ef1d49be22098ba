/** Messages whose end is not beyond doubt, on raw connections to a real gateway. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { BadCompany, type BadServer, CREDENTIAL } from './support/bad-company.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { inSession, open } from './support/ingress.ts';
import { exchangeBytes, rawCall, rawRequest, statusesOf } from './support/raw-http.ts';
import { smugglings } from './support/smuggling.ts';
import { answerJson, resultFor } from './support/upstreams.ts';

const answering: BadServer = {
  family: 'modern',
  handle: ({ message, response }) => {
    answerJson(response, resultFor(message, { resultType: 'complete', content: [{ type: 'text', text: 'ok' }] }));
  },
};
const company = await BadCompany.meet(
  { after },
  { open: answering, hidden: answering },
  { patience: { headers: 3_000, request: 4_000, look: 200, idle: 5_000 } },
);
const { gateway } = company;
const to = { port: gateway.port, host: '127.0.0.1' };
const rest = await company.atRest();

const called = () => Promise.all([company.calls('open'), company.calls('hidden')]);

for (const { name, bytes } of smugglings('open', 'hidden')) {
  test(`${name}: refused, and nothing behind it is looked at [ATK-17] [ATK-16]`, async () => {
    const before = await called();
    const received = await exchangeBytes(to, bytes);
    const statuses = statusesOf(received);
    assert.ok(
      statuses.length <= 1 && statuses.every((status) => status >= 400 && status < 500),
      received.slice(0, 500),
    );
    assert.deepEqual(await called(), before, 'nothing was called');
  });
}

test('what is framed without doubt is answered, each message by itself and for its own caller [MCP26-20] [ATK-20]', async () => {
  const other = { Authorization: `Bearer ${OTHER_TOKEN}` };
  const mine = rawCall('open');
  const size = mine.body.length.toString(16);
  const chunked = `${mine.head}Transfer-Encoding: chunked\r\n\r\n${size}\r\n${mine.body}\r\n0\r\n\r\n`;
  const last = rawCall('open', { ...other, Connection: 'close' });
  const received = await exchangeBytes(to, [mine.whole, rawCall('open', other).whole, chunked, last.whole].join(''));
  assert.deepEqual(statusesOf(received), [200, 200, 200, 200]);
  const sessions = [...received.matchAll(/"session_id":"([^"]+)"/g)].map(([, id]) => id);
  assert.deepEqual([sessions[2], sessions[3]], [sessions[0], sessions[1]]);
  assert.notEqual(sessions[0], sessions[1], 'each in a session of its own');
});

test('behind an answer that closes the connection nothing is begun: nobody would be told what became of it [ATK-17]', async () => {
  const before = await called();
  const { head, body } = rawCall('open', { Host: 'other.example' });
  // A call that does not end with its connection.
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'hidden', arguments: {} } };
  const hidden = rawRequest({ ...inSession(await open(gateway.port, CREDENTIAL), call), credential: CREDENTIAL });
  const received = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(to, () => socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`));
    socket.on('data', (chunk: Buffer) => {
      // Refused before its body was read. What is left of it comes now, and the other call behind it.
      if (text === '') socket.write(`${body.slice(9)}${hidden}`);
      text += chunk.toString();
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
  });
  assert.deepEqual(statusesOf(received), [403]);
  await company.othersAnswer();
  assert.deepEqual(await called(), before);
});

test('none of them left a connection [LIFE-01]', () => gateway.returnsTo(rest));
