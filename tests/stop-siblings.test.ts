/** Several gateways of one data folder: what one of them stopped is stopped at all. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { MODERN_VERSION, type Values } from './support/wire.ts';

const BLOCKS = '/operator/v1/blocks';
const STOP = 'stop: { deny_rate: { share: 0.5, calls: 10 } }';

/** A gateway over stdio, and the code that a call of its one agent is refused with; null: it is answered. */
async function spawned(bed: TestBed, time: ManualTime) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const gateway = await bed.gateway({ timers: time });
  const started = Promise.withResolvers<void>();
  const over = gateway.serveStdio(input, output, () => started.resolve());
  over.catch(started.reject);
  await started.promise;
  let ids = 0;
  const code = async (name: string): Promise<unknown> => {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
      'io.modelcontextprotocol/clientInfo': { name: 'desktop', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const params = { name, arguments: {}, _meta: meta };
    input.write(`${JSON.stringify({ jsonrpc: '2.0', id: ++ids, method: 'tools/call', params })}\n`);
    const [bytes] = (await once(output, 'data')) as [Buffer];
    const reply = JSON.parse(bytes.toString()) as { error?: { data?: Values } };
    return reply.error?.data?.error_code ?? null;
  };
  const end = async (): Promise<void> => {
    input.end();
    await over;
  };
  return { code, end };
}

const names = async (bed: TestBed): Promise<unknown[]> => {
  const { blocks } = (await bed.operator('GET', BLOCKS)).body as { blocks: Values[] };
  return blocks.map(({ scope, name, rule }) => `${scope} ${name} ${rule}`);
};

/** A gateway looks at the others every second; its look takes turns. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 200; turns += 1) if (await isSo()) return;
  assert.fail('it did not come about');
}

test('a gateway that runs beside another of its data folder stops what that one stopped, by an operator or by itself; lifting it holds at both, also later [D-49]', async () => {
  const time = new ManualTime();
  const bed = await TestBed.create({
    tools: [{ name: 'echo' }, { name: 'denied' }],
    policies: {
      'all.cedar': 'permit (principal, action in Action::"call_tool", resource);',
      'not.cedar': 'forbid (principal, action == Action::"denied", resource);',
    },
    config: STOP,
  });
  try {
    await bed.start({ timers: time });
    const desktop = await spawned(bed, time);
    assert.equal(await desktop.code('echo'), null);
    const answer = await bed.operator('POST', BLOCKS, { scope: 'tool', name: 'echo', reason: 'x' });
    time.advance(1000);
    await until(async () => (await desktop.code('echo')) === 'BLOCKED');
    await bed.operator('POST', `${BLOCKS}/${answer.body.id}/lift`, { reason: 'x' });
    time.advance(1000);
    await until(async () => (await desktop.code('echo')) === null);

    for (let calls = 0; calls < 40; calls += 1) if ((await desktop.code('denied')) === 'BLOCKED') break;
    time.advance(1000);
    await until(async () => (await names(bed)).includes('agent desktop deny_rate'));
    await desktop.end();
    const again = await spawned(bed, time);
    assert.equal(await again.code('echo'), 'BLOCKED', 'starting anew does not help');
    const { blocks } = (await bed.operator('GET', BLOCKS)).body as { blocks: Values[] };
    await bed.operator('POST', `${BLOCKS}/${blocks[0]?.id}/lift`, { reason: 'looked at' });
    assert.deepEqual(await names(bed), []);
    time.advance(1000);
    await until(async () => (await again.code('echo')) === null);
    await again.end();
    const last = await spawned(bed, time);
    assert.equal(await last.code('echo'), null);
    time.advance(1000);
    assert.deepEqual(await names(bed), [], 'it does not come back');
    await last.end();
  } finally {
    await bed.close();
  }
});
