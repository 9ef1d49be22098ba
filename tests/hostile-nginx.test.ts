/** The same behind nginx: both have to see the same messages, and nothing in between may hold events back. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { BadCompany, type BadServer } from './support/bad-company.ts';
import { findNginx, startNginx } from './support/nginx.ts';
import { exchangeBytes, rawCall, statusesOf } from './support/raw-http.ts';
import { smugglings } from './support/smuggling.ts';
import { answerJson, type Received, resultFor } from './support/upstreams.ts';

const program = findNginx();
const skip = program === null ? 'nginx is not installed' : false;

const done = ({ message, response }: Received): void =>
  answerJson(response, resultFor(message, { resultType: 'complete', content: [{ type: 'text', text: 'ok' }] }));
const answering: BadServer = { family: 'modern', handle: done };

/** Holds its answer back until the client has heard of its progress. */
const heard = Promise.withResolvers<void>();
const reporting: BadServer = {
  family: 'modern',
  handle: ({ message, response }) => {
    const params = { progressToken: message.params?._meta?.progressToken, progress: 1 };
    const event = (said: unknown): string => `data: ${JSON.stringify(said)}\n\n`;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params }));
    const result = { resultType: 'complete', content: [{ type: 'text', text: 'ok' }] };
    void heard.promise.then(() => response.end(event(resultFor(message, result))));
  },
};

async function stage() {
  const company = await BadCompany.meet(
    { after },
    { open: answering, hidden: answering, reporting },
    { patience: { headers: 3_000, request: 4_000, look: 200, idle: 5_000 } },
  );
  const nginx = await startNginx(program ?? '', company.gateway.port);
  after(nginx.stop);
  return { company, nginx };
}
const staged = program === null ? null : await stage();

/** What was staged; asked for only where it was. */
function scene() {
  assert.ok(staged);
  const { company, nginx } = staged;
  const called = () => Promise.all([company.calls('open'), company.calls('hidden')]);
  return { company, nginx, called };
}

for (const way of ['buffering', 'streaming'] as const) {
  for (const { name, bytes } of smugglings('open', 'hidden')) {
    test(`behind nginx, ${way}: ${name}: every call that is served has its answer, and no other is [ATK-17]`, {
      skip,
    }, async () => {
      const { nginx, called } = scene();
      const [open, hidden] = await called();
      const statuses = statusesOf(await exchangeBytes({ path: nginx[way] }, bytes));
      const [openNow, hiddenNow] = await called();
      const served = openNow - open + hiddenNow - hidden;
      assert.equal(served, statuses.filter((status) => status === 200).length, String(statuses));
      // Nginx may read a message otherwise than we do; what it passes on, we read as it does.
      if (hiddenNow > hidden) assert.ok(statuses.length > 1, 'the hidden call was a message of its own to both');
    });
  }

  test(`behind nginx, ${way}: messages on one connection are answered one by one, each for its caller [MCP26-20]`, {
    skip,
  }, async () => {
    const { nginx } = scene();
    const bytes = [
      rawCall('open').whole,
      rawCall('open', { Authorization: 'Bearer nobody' }).whole,
      rawCall('hidden', { Connection: 'close' }).whole,
    ];
    assert.deepEqual(statusesOf(await exchangeBytes({ path: nginx[way] }, bytes.join(''))), [200, 401, 200]);
  });

  test(`behind nginx, ${way}: Host and Origin are held to their lists [MCP26-02] [ATK-27]`, { skip }, async () => {
    const { nginx, called } = scene();
    const before = await called();
    for (const fields of [{ Host: 'evil.example' }, { Origin: 'https://evil.example' }, { Origin: 'null' }]) {
      const { whole } = rawCall('open', { ...fields, Connection: 'close' });
      assert.deepEqual(statusesOf(await exchangeBytes({ path: nginx[way] }, whole)), [403]);
    }
    assert.deepEqual(await called(), before);
  });
}

test('nginx does not hold events back [MCP26-27]', { skip }, async () => {
  const { nginx } = scene();
  const { head, body } = rawCall('reporting', {}, { progressToken: 'p' });
  const [, ...lines] = head.trim().split('\r\n');
  const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2)));
  const text = await new Promise<string>((resolve, reject) => {
    const sent = request(
      { socketPath: nginx.buffering, method: 'POST', path: '/mcp', headers, agent: false },
      (response) => {
        let received = '';
        response.on('data', (chunk: Buffer) => {
          received += chunk.toString();
          // Until this is seen there is no answer: what is held back would stay away for good.
          if (received.includes('notifications/progress')) heard.resolve();
        });
        response.on('end', () => resolve(received));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
  assert.match(text, /notifications\/progress[\s\S]*"text":"ok"/);
});
