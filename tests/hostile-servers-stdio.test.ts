/** Servers over stdio that do what they should not: what a call of theirs ends with, and that nobody else notices. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BadCompany, type BadServer } from './support/bad-company.ts';

const MEGABYTE = 1024 * 1024;

interface Case {
  /** What a call of its tool ends with. */
  ends: string;
  /** Whether the process ends with the call, and another one is started for the next. */
  dies?: true;
  server: BadServer;
}

const misbehaves = (ends: string, script: string, more: Partial<Case> & { timeout?: string } = {}): Case => {
  const { timeout, ...rest } = more;
  return { ends, server: { script, ...(timeout && { timeout }) }, ...rest };
};

const HASTY = { timeout: '1s' };
/** Writes on for as long as the process lives. */
const FLOOD = `
const flood = (piece) => { const more = () => { while (process.stdout.write(piece)); process.stdout.once('drain', more); }; more(); };
const notice = (method, params) => JSON.stringify({ jsonrpc: '2.0', method, params }) + '\\n';
`;

const CASES: Record<string, Case> = {
  'noise-and-an-answer': misbehaves(
    'result',
    "on.call = (m) => { raw('npm warn\\n\\n[1,2]\\n\"x\"\\n'); ok(m.id, text('ok')); };",
  ),
  'a-long-line-and-an-answer': misbehaves(
    'result',
    `on.call = (m) => { raw('x'.repeat(${8 * MEGABYTE}) + '\\n'); ok(m.id, text('ok')); };`,
  ),
  'a-long-answer': misbehaves(
    'RESPONSE_SIZE_EXCEEDED',
    `on.call = (m) => ok(m.id, text('x'.repeat(${8 * MEGABYTE})));`,
  ),
  'garbage-for-an-answer': misbehaves(
    'UPSTREAM_PROTOCOL_ERROR',
    `on.call = (m) => raw('{"jsonrpc":"2.0","id":' + JSON.stringify(m.id) + ',"result":nonsense}\\n');`,
  ),
  'half-then-silent': misbehaves('UPSTREAM_TIMEOUT', `on.call = (m) => raw('{"jsonrpc":"2.0","id":"' + m.id);`, HASTY),
  'half-then-gone': misbehaves(
    'OUTCOME_UNKNOWN',
    `on.call = (m) => process.stdout.write('{"jsonrpc":"2.0","id":"' + m.id, () => process.exit(0));`,
    { dies: true },
  ),
  crashes: misbehaves('OUTCOME_UNKNOWN', "on.call = () => process.kill(process.pid, 'SIGKILL');", { dies: true }),
  'closes-its-output': misbehaves('OUTCOME_UNKNOWN', "on.call = () => require('node:fs').closeSync(1);", {
    dies: true,
  }),
  'says-nothing': misbehaves('UPSTREAM_TIMEOUT', 'on.call = () => {};', HASTY),
  'wrong-id': misbehaves('UPSTREAM_TIMEOUT', "on.call = (m) => ok('another', text('ok'));", HASTY),
  'number-id': misbehaves('UPSTREAM_TIMEOUT', "on.call = () => ok(1, text('ok'));", HASTY),
  empty: misbehaves('UPSTREAM_PROTOCOL_ERROR', 'on.call = (m) => ok(m.id, {});'),
  twice: misbehaves('result', "on.call = (m) => { ok(m.id, text('ok')); ok(m.id, text('no')); };"),
  'answers-without-end': misbehaves(
    'result',
    `${FLOOD} on.call = (m) => { const answer = JSON.stringify({ jsonrpc: '2.0', id: m.id, result: text('ok') }) + '\\n';
      for (let i = 0; i < 20000; i += 1) raw(answer); };`,
  ),
  'notices-without-end': misbehaves(
    'UPSTREAM_TIMEOUT',
    `${FLOOD} on.call = () => {
      const said = notice('notifications/message', { level: 'error', data: 'x'.repeat(200) })
        + notice('notifications/tools/list_changed', {});
      const timer = setInterval(() => raw(said.repeat(200)), 2);
      setTimeout(() => clearInterval(timer), 1500);
    };`,
    HASTY,
  ),
  'a-drip': misbehaves(
    'UPSTREAM_TIMEOUT',
    `${FLOOD} on.call = (m) => {
      let progress = 0;
      const drip = () => raw(notice('notifications/progress', { progressToken: m.params._meta?.progressToken, progress: (progress += 1) }));
      const timer = setInterval(drip, 20);
      setTimeout(() => clearInterval(timer), 1500);
    };`,
    HASTY,
  ),
  'asks-without-end': misbehaves(
    'result',
    `let asked = 0; let refusals = 0;
    on.other = (m) => { if (m.error !== undefined) refusals += 1; };
    on.call = (m) => {
      for (; asked < 5000; asked += 1) send({ jsonrpc: '2.0', id: asked, method: 'sampling/createMessage', params: {} });
      const done = () => (refusals >= 5000 ? ok(m.id, text('refused')) : setImmediate(done));
      done();
    };`,
  ),
  'shouts-on-stderr': misbehaves(
    'result',
    `on.call = (m) => process.stderr.write('x'.repeat(${8 * MEGABYTE}), () => ok(m.id, text('ok')));`,
  ),
  'deep-answer': misbehaves(
    'UPSTREAM_PROTOCOL_ERROR',
    `on.call = (m) => raw('{"jsonrpc":"2.0","id":"' + m.id + '","result":' + '['.repeat(100000) + ']'.repeat(100000) + '}\\n');`,
  ),
};

const company = await BadCompany.meet(
  { after },
  Object.fromEntries(Object.entries(CASES).map(([id, { server }]) => [id, server])),
);
const { gateway } = company;
for (const id of Object.keys(CASES)) await gateway.reported(`server.started ${id}:`);
const rest = await company.atRest();

for (const [id, { ends, dies }] of Object.entries(CASES)) {
  test(`${id}: ends its own call as ${ends}, is called once, and leaves nothing [LIFE-03] [LIFE-05] [LIFE-12]`, async () => {
    const called = company.call(id, { progressToken: 'p' });
    await company.othersAnswer();
    const { code, message } = await called;
    assert.equal(code, ends, JSON.stringify(message).slice(0, 500));
    assert.equal(await company.calls(id), 1, 'and never again');
    if (dies) await gateway.reported(`server.ended ${id}:`);
    await company.othersAnswer();
    await gateway.returnsTo(rest);
  });
}

test('what they sent is not kept [D-06]', async () => {
  const before = await gateway.heap();
  for (const id of ['a-long-answer', 'a-long-line-and-an-answer', 'shouts-on-stderr', 'answers-without-end']) {
    for (let again = 0; again < 5; again += 1) await company.call(id);
  }
  const grown = (await gateway.heap()) - before;
  assert.ok(grown < 8 * MEGABYTE, `${grown} bytes more are held`);
});
