/** Messages whose end is not beyond doubt, on raw connections to a real gateway. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BadCompany, type BadServer } from './support/bad-company.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { exchangeBytes, rawCall, statusesOf } from './support/raw-http.ts';
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
  const { head } = rawCall('open', { Host: 'other.example' });
  // Refused before its body was read, so that the connection is closed.
  const long = 'x'.repeat(100_000);
  const received = await exchangeBytes(
    to,
    `${head}Content-Length: ${long.length}\r\n\r\n${long}${rawCall('hidden').whole}`,
  );
  assert.deepEqual(statusesOf(received), [403]);
  assert.deepEqual(await called(), before);
});

test('none of them left a connection [LIFE-01]', () => gateway.returnsTo(rest));
