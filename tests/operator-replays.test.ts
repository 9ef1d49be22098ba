import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { callMeta } from './support/calls.ts';
import { GatedLog } from './support/gated-log.ts';
import { OPERATOR_TOKEN, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { askOperator, openOperator, operatorWith, socketOf } from './support/operator.ts';
import { sessionFile } from './support/session-files.ts';

const TOOLS = { tools: [{ name: 'echo' }] };
const OTHER_OPERATOR = 'other-operator-of-the-tests';
const CONFIG = `operator: { credentials: [${operatorWith('op', OPERATOR_TOKEN)}, ${operatorWith('second', OTHER_OPERATOR)}] }`;
const HOUR = 3_600_000;

test('the same operator with the same key and request gets the same answer, and nothing is done twice', () =>
  withBed({ ...TOOLS, config: CONFIG }, async (bed) => {
    const log = new GatedLog();
    const time = new ManualTime();
    const { gateway, started, url } = await bed.start({
      openLog: log.openLog,
      monotonic: () => time.nowMicros() / 1000,
    });
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const reset = (key: string, reason = 'new case', token = OPERATOR_TOKEN) =>
      askOperator(socketOf(bed), {
        ...{ method: 'POST', route: `sessions/${session_id}/reset`, body: { reason }, token },
        headers: { 'idempotency-key': key },
      });

    const held = log.hold('append');
    const [first, second] = [reset('one'), reset('one')];
    await held.reached;
    held.letGo();
    const [one, two] = await Promise.all([first, second]);
    assert.deepEqual([one.status, one.body], [200, two.body], 'who came meanwhile waited');
    assert.deepEqual([one.headers['idempotency-replayed'], two.headers['idempotency-replayed']].sort(), [
      'true',
      undefined,
    ]);
    assert.deepEqual((await reset('one')).body, one.body);
    const again = await reset('one', 'another reason');
    assert.deepEqual([again.status, again.body.error_code], [409, 'IDEMPOTENCY_CONFLICT']);
    const others = await reset('one', 'new case', OTHER_OPERATOR);
    assert.notDeepEqual(others.body, one.body, 'a key is of one operator');
    assert.notDeepEqual((await reset('two')).body, others.body);

    const gone = '00000000-0000-4000-8000-000000000000';
    const close = () =>
      askOperator(socketOf(bed), {
        ...{ method: 'POST', route: `sessions/${gone}/close`, token: OPERATOR_TOKEN },
        headers: { 'idempotency-key': 'three' },
      });
    assert.deepEqual([(await close()).status, (await close()).headers['idempotency-replayed']], [404, 'true']);
    for (const key of ['', 'x'.repeat(129), 'a b'])
      assert.equal((await reset(key)).body.error_code, 'INVALID_PARAMS', key);
    time.advance(24 * HOUR);
    assert.notDeepEqual((await reset('one')).body, one.body, 'after a day a key is new');

    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const entered = bundle.entries.filter(({ action }) => action?.startsWith('operator.'));
    assert.deepEqual(
      entered.map(({ action, caller }) => [action, caller]),
      [
        ['operator.reset', 'op'],
        ['operator.reset', 'second'],
        ['operator.reset', 'op'],
        ['operator.close', 'op'],
        ['operator.reset', 'op'],
      ],
    );
  }));

/** Blocks of a stream of events, as they come. */
async function* blocks(stream: IncomingMessage): AsyncGenerator<string> {
  let text = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const whole = text.split('\n\n');
    text = whole.pop() ?? '';
    yield* whole;
  }
}

test('who comes back to the stream of events gets what was missed, or is told that something is lost', () =>
  withBed({ ...TOOLS, config: CONFIG }, async (bed) => {
    const time = new ManualTime();
    await bed.start({ timers: time });
    const follow = async (id?: string): Promise<AsyncGenerator<string>> => {
      const headers = id === undefined ? {} : { 'last-event-id': id };
      return blocks(await openOperator(socketOf(bed), { route: 'events', token: OPERATOR_TOKEN, headers }));
    };
    const close = (name: string) =>
      askOperator(socketOf(bed), {
        ...{ method: 'POST', route: `sessions/${name.padEnd(8, '0')}-0000-4000-8000-000000000000/close` },
        token: OPERATOR_TOKEN,
      });
    const next = async (stream: AsyncGenerator<string>): Promise<{ id: string; session: string; event: string }> => {
      for (;;) {
        const { value } = (await stream.next()) as { value: string };
        const data = /^data: (.*)$/m.exec(value)?.[1];
        if (data === undefined) continue;
        const { event, session_id } = JSON.parse(data) as { event: string; session_id?: string };
        return { id: /^id: (.*)$/m.exec(value)?.[1] ?? '', session: session_id?.slice(0, 2) ?? '', event };
      }
    };

    const stream = await follow();
    assert.match(String((await stream.next()).value), /^retry: \d+\n: listening$/);
    await close('a1');
    const first = await next(stream);
    assert.deepEqual([first.event, first.session], ['operator.close', 'a1']);
    time.advance(15_000);
    assert.equal((await stream.next()).value, ': alive');
    await stream.return(undefined);

    await close('b2');
    await close('c3');
    const resumed = await follow(first.id);
    assert.deepEqual([(await next(resumed)).session, (await next(resumed)).session], ['b2', 'c3']);
    await close('d4');
    assert.equal((await next(resumed)).session, 'd4', 'and goes on');
    const lost = await follow('of-another-run-7');
    assert.equal((await next(lost)).event, 'gap');
    let kept = await next(lost);
    while (kept.event !== 'operator.close') kept = await next(lost);
    assert.equal(kept.session, 'a1', 'then comes what is kept, from the start of the gateway on');
    const none = { route: 'events', token: OPERATOR_TOKEN, headers: { 'last-event-id': 'a b' } };
    assert.equal((await askOperator(socketOf(bed), none)).body.error_code, 'INVALID_PARAMS');
    await Promise.all([resumed, lost].map((each) => each.return(undefined)));
  }));
