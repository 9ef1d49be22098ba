import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import {
  codeOf,
  refused,
  type Script,
  scriptedTpm,
  success,
  tpm2b,
  u32,
} from '../../../../../tests/support/scripted-tpm.ts';
import { CC, RC } from './constants.ts';
import { TpmError, type TpmErrorCode } from './error.ts';
import { commandFrame } from './frame.ts';
import { tpmOver } from './tpm.ts';

const NONCE = new Uint8Array(32).fill(9);
const RANDOM = success(tpm2b([1, 2, 3, 4]));
const SESSION = 0x0300_0000;

/** Of a TPM that opens sessions, flushes them, and gives the random bytes 1, 2, 3, 4. */
const usual: Script = (command) => {
  if (codeOf(command) === CC.startAuthSession) return success(u32(SESSION), tpm2b(NONCE));
  return codeOf(command) === CC.flushContext ? success() : RANDOM;
};

const never = new Promise<never>(() => {});

function isError(code: TpmErrorCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TpmError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

/** Lets everything happen that does not wait for time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('sequences run one after another, in the order in which they were asked for, each on its own connection', async () => {
  const device = scriptedTpm(usual);
  const tpm = tpmOver(device);
  const order: string[] = [];
  await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      tpm.run(async (commands) => {
        order.push(`${i} begins`);
        assert.deepEqual(await commands.random(4), Uint8Array.of(1, 2, 3, 4));
        order.push(`${i} ends`);
      }),
    ),
  );
  assert.deepEqual(order, Array.from({ length: 50 }, (_, i) => [`${i} begins`, `${i} ends`]).flat());
  assert.equal(device.connections.length, 50);
  assert.ok(device.connections.every(({ closed }) => closed));
});

test('commands that one sequence asks for at once are sent one after another', async () => {
  let underWay = 0;
  const device = scriptedTpm(async () => {
    assert.equal(++underWay, 1);
    await settle();
    underWay--;
    return RANDOM;
  });
  await tpmOver(device).run(({ random }) => Promise.all([random(4), random(4), random(4)]));
  assert.equal(device.sent.length, 3);
});

test('what a sequence opens is flushed when it ends, also when its work throws', async () => {
  const device = scriptedTpm(usual);
  const tpm = tpmOver(device);
  const problem = new Error('of the caller');
  await assert.rejects(
    tpm.run(async ({ policySession }) => {
      await policySession();
      throw problem;
    }),
    problem,
  );
  assert.deepEqual(device.sent.map(codeOf), [CC.startAuthSession, CC.flushContext]);
  assert.deepEqual(device.sent[1]?.slice(10), u32(SESSION));
});

test('what a sequence has flushed itself is not flushed again', async () => {
  const device = scriptedTpm(usual);
  await tpmOver(device).run(async ({ policySession, flush }) => flush((await policySession()).handle));
  assert.deepEqual(device.sent.map(codeOf), [CC.startAuthSession, CC.flushContext]);
});

test('what an answer opened that cannot be read otherwise is flushed all the same', async () => {
  const device = scriptedTpm((command, n) => (n === 0 ? success(u32(SESSION), [0, 99]) : usual(command, n)));
  await assert.rejects(
    tpmOver(device).run(({ policySession }) => policySession()),
    isError('response'),
  );
  assert.deepEqual(device.sent.map(codeOf), [CC.startAuthSession, CC.flushContext]);
});

test('a sequence that fails to flush has its result, and the next one its turn', async () => {
  const device = scriptedTpm((command, n) =>
    codeOf(command) === CC.flushContext ? refused(0x1c4) : usual(command, n),
  );
  const tpm = tpmOver(device);
  const work = () =>
    tpm.run(async ({ policySession, random }) => {
      await policySession();
      return random(4);
    });
  assert.equal((await work()).length, 4);
  assert.equal((await work()).length, 4);
});

test('a handle of another kind than a command opens is no answer', async () => {
  const device = scriptedTpm(() => success(u32(0x4000_0001), tpm2b(NONCE)));
  await assert.rejects(
    tpmOver(device).run(({ policySession }) => policySession()),
    isError('response', /0x40000001/),
  );
  assert.equal(device.sent.length, 1, 'and a hierarchy is not flushed');
});

test('a session, and the handle of an object, are of their sequence: no other one can use them', async () => {
  const tpm = tpmOver(scriptedTpm(usual));
  const session = await tpm.run(({ policySession }) => policySession());
  await assert.rejects(
    tpm.run(({ policyDigest }) => policyDigest(session)),
    isError('closed', /did not open/),
  );
  const key = { handle: 0x8000_0000, publicArea: new Uint8Array(), name: new Uint8Array() };
  await assert.rejects(
    tpm.run(({ quote }) => quote(key, NONCE, 'sha256', [0])),
    isError('closed', /did not open/),
  );
});

test('a session that encrypts nothing is not taken for one that does', async () => {
  const device = scriptedTpm(usual);
  const item = { handle: 0x8100_0000, publicArea: new Uint8Array(), name: new Uint8Array() };
  await assert.rejects(
    tpmOver(device).run(async ({ policySession, unseal }) => {
      const policy = await policySession();
      await unseal(item, policy, policy);
    }),
    isError('closed', /no hmac session/),
  );
  assert.ok(!device.sent.map(codeOf).includes(CC.unseal));
});

test('no session is encrypted to a key that is not a storage key', async () => {
  const device = scriptedTpm(usual);
  const publicArea = new Uint8Array(30);
  const key = { handle: 0x8100_0000, publicArea, name: new Uint8Array() };
  await assert.rejects(
    tpmOver(device).run(({ encryptedSession }) => encryptedSession(key)),
    isError('response'),
  );
  assert.equal(device.sent.length, 0);
});

test('commands that come after their sequence are refused', async () => {
  const device = scriptedTpm(usual);
  const commands = await tpmOver(device).run(async (given) => given);
  await assert.rejects(commands.random(4), isError('closed', /after its sequence/));
  assert.equal(device.sent.length, 0);
});

test('a TPM that is busy with itself is asked again, in growing steps, with the same bytes', async () => {
  for (const code of [RC.retry, RC.yielded, RC.testing]) {
    const time = new ManualTime();
    const device = scriptedTpm((_, n) => (n < 3 ? refused(code) : RANDOM));
    const done = tpmOver(device, { timers: time }).run(({ random }) => random(4));
    for (const pause of [20, 40, 80]) {
      const before = device.sent.length;
      await settle();
      time.advance(pause - 1);
      await settle();
      const waited = device.sent.length;
      time.advance(1);
      await settle();
      assert.deepEqual([waited, device.sent.length], [before || 1, waited + 1]);
    }
    assert.equal((await done).length, 4);
    for (const command of device.sent) assert.deepEqual(command, device.sent[0]);
  }
});

test('a TPM that stays busy is not asked for ever', async () => {
  const time = new ManualTime();
  const device = scriptedTpm(() => refused(RC.retry));
  const done = assert.rejects(
    tpmOver(device, { timers: time, sequenceMs: 1e9 }).run(({ random }) => random(4)),
    isError('refused', /TPM_RC_RETRY \(0x922\)/),
  );
  for (let i = 0; i < 9; i++) {
    await settle();
    time.advance(10_240);
  }
  await done;
  assert.equal(device.sent.length, 10);
});

test('other warnings are told, not tried again', async () => {
  const device = scriptedTpm(() => refused(0x910));
  await assert.rejects(
    tpmOver(device).run(({ random }) => random(4)),
    isError('refused', /TPM_RC_REFERENCE_H0/),
  );
  assert.equal(device.sent.length, 1);
});

test('an answer that is late ends its connection; the next sequence has a new one', async () => {
  const time = new ManualTime();
  const device = scriptedTpm((_, n) => (n === 0 ? never : RANDOM));
  const tpm = tpmOver(device, { timers: time, commandMs: 2000 });
  const late = assert.rejects(
    tpm.run(async ({ random }) => {
      await assert.rejects(random(4), isError('timeout', /GetRandom within 2 s/));
      assert.deepEqual(device.connections, [{ closed: true }]);
      await random(4);
    }),
    isError('timeout'),
  );
  await settle();
  time.advance(2000);
  await late;
  assert.equal(device.sent.length, 1, 'nothing is sent out of step');
  assert.equal((await tpm.run(({ random }) => random(4))).length, 4);
  assert.deepEqual(device.connections, [{ closed: true }, { closed: true }]);
});

test('a TPM that cannot be reached in time is told with its place, whoever waits for it', async () => {
  const time = new ManualTime();
  const device = {
    ...scriptedTpm(usual),
    connect: (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  };
  const tpm = tpmOver(device, { timers: time, commandMs: 2000, sequenceMs: 1e9 });
  const late = assert.rejects(
    tpm.run(({ random }) => random(4)),
    isError('timeout', /a script could not be reached within 2 s/),
  );
  await settle();
  time.advance(2000);
  await late;
  // Whoever gives up leaves no attempt behind that the next would have to wait for.
  const giveUp = new AbortController();
  const given = assert.rejects(
    tpm.run(({ random }) => random(4), giveUp.signal),
    isError('aborted'),
  );
  await settle();
  giveUp.abort();
  await given;
  await tpm.close();
});

test('an answer that is none of a TPM ends its connection; the next sequence has a new one', async () => {
  const wrong: [string, Uint8Array<ArrayBuffer>][] = [
    ['nothing', new Uint8Array()],
    ['nine bytes', RANDOM.slice(0, 9)],
    ['shorter than it says', RANDOM.slice(0, -1)],
    ['longer than it says', Uint8Array.of(...RANDOM, 0)],
    ['of no known tag', Uint8Array.of(0, 0xc4, ...RANDOM.slice(2))],
    ['a refusal with contents', commandFrame(0x18b, false, Uint8Array.of(1))],
    ['a refusal with sessions', commandFrame(0x18b, true, new Uint8Array())],
  ];
  for (const [what, answer] of wrong) {
    const device = scriptedTpm((_, n) => (n === 0 ? answer : RANDOM));
    const tpm = tpmOver(device);
    await assert.rejects(
      tpm.run(async ({ random }) => {
        await assert.rejects(random(4), isError('response'));
        await random(4);
      }),
      isError('response'),
      what,
    );
    assert.equal(device.sent.length, 1, what);
    assert.equal((await tpm.run(({ random }) => random(4))).length, 4, what);
  }
});

test('an answer with sessions to a command without, and the other way about, is refused', async () => {
  const sessions = commandFrame(0, true, Uint8Array.from([...u32(6), ...tpm2b([1, 2, 3, 4])]));
  await assert.rejects(
    tpmOver(scriptedTpm(() => sessions)).run(({ random }) => random(4)),
    isError('response', /tag/),
  );
  await assert.rejects(
    tpmOver(scriptedTpm(() => success())).run(({ pcrReset }) => pcrReset(16)),
    isError('response', /tag/),
  );
});

test('a password is not answered by a session', async () => {
  const area = [...tpm2b(NONCE), 1, ...tpm2b([])];
  await assert.rejects(
    tpmOver(scriptedTpm(() => commandFrame(0, true, Uint8Array.from([...u32(0), ...area])))).run(({ pcrReset }) =>
      pcrReset(16),
    ),
    isError('response', /password/),
  );
});

test('whoever gives up is told at once; the answer is awaited, and what it opened is flushed before the next sequence', async () => {
  let answer: (bytes: Uint8Array<ArrayBuffer>) => void = () => {};
  const device = scriptedTpm((command, n) =>
    n === 0 ? new Promise<Uint8Array<ArrayBuffer>>((resolve) => (answer = resolve)) : usual(command, n),
  );
  const tpm = tpmOver(device);
  const giveUp = new AbortController();
  const given = tpm.run(({ policySession }) => policySession(), giveUp.signal);
  const next = tpm.run(({ random }) => random(4));
  await settle();
  giveUp.abort(new Error('of the caller'));
  await assert.rejects(given, isError('aborted'));
  assert.equal(device.sent.length, 1);
  answer(success(u32(SESSION), tpm2b(NONCE)));
  assert.equal((await next).length, 4);
  assert.deepEqual(device.sent.map(codeOf), [CC.startAuthSession, CC.flushContext, CC.getRandom]);
});

test('whoever gives up before their turn is not served', async () => {
  const device = scriptedTpm(usual);
  const tpm = tpmOver(device);
  let served = false;
  const work = async () => {
    served = true;
  };
  await assert.rejects(tpm.run(work, AbortSignal.abort()), isError('aborted'));
  await settle();
  assert.equal(served, false);
  assert.equal(device.connections.length, 0);
});

test('a sequence that is not done in time, its waiting included, is ended and the next one served', async () => {
  const time = new ManualTime();
  const device = scriptedTpm(usual);
  const tpm = tpmOver(device, { timers: time, sequenceMs: 5000 });
  const stuck = assert.rejects(
    tpm.run(() => never),
    isError('timeout', /within 5 s/),
  );
  const waits = assert.rejects(
    tpm.run(({ random }) => random(4)),
    isError('timeout'),
  );
  await settle();
  time.advance(5000);
  await Promise.all([stuck, waits]);
  assert.equal((await tpm.run(({ random }) => random(4))).length, 4);
});

test('a TPM that is let go of ends what runs and what waits, flushes, and does nothing more', async () => {
  const device = scriptedTpm(usual);
  const tpm = tpmOver(device);
  const ended = isError('closed', /let go of/);
  const runs = assert.rejects(
    tpm.run(async ({ policySession }) => {
      await policySession();
      await never;
    }),
    ended,
  );
  const waits = assert.rejects(
    tpm.run(({ random }) => random(4)),
    ended,
  );
  await settle();
  await Promise.all([tpm.close(), runs, waits]);
  assert.deepEqual(device.sent.map(codeOf), [CC.startAuthSession, CC.flushContext]);
  assert.deepEqual(device.connections, [{ closed: true }]);
  await assert.rejects(
    tpm.run(({ random }) => random(4)),
    ended,
  );
  await tpm.close();
});

test('a device that does not come back is not asked again while it is busy, and does not keep who lets go of it', async () => {
  const time = new ManualTime();
  const device = scriptedTpm(() => never);
  const connect = device.connect;
  const stuck = {
    ...device,
    connect: async (signal: AbortSignal) => ({ ...(await connect(signal)), close: () => never }),
  };
  const tpm = tpmOver(stuck, { timers: time, commandMs: 1000, sequenceMs: 10_000 });
  const late = assert.rejects(
    tpm.run(({ random }) => random(4)),
    isError('timeout', /GetRandom/),
  );
  await settle();
  time.advance(1000);
  await late;
  const waits = assert.rejects(
    tpm.run(({ random }) => random(4)),
    isError('timeout', /was not done/),
  );
  await settle();
  time.advance(10_000);
  await waits;
  assert.equal(device.connections.length, 1);
  const closing = tpm.close();
  await settle();
  time.advance(1000);
  await closing;
});

test('without a resource manager, what others left in the TPM is flushed first', async () => {
  const handles = (...list: number[]) => success([0], u32(1), u32(list.length), ...list.map(u32));
  const device = scriptedTpm((command, n) => {
    if (codeOf(command) !== CC.getCapability) return usual(command, n);
    return command[14] === 0x80 ? handles(0x8000_0000, 0x8000_0001) : handles(0x0300_0002);
  }, false);
  await tpmOver(device).run(({ random }) => random(4));
  const flushed = device.sent
    .filter((command) => codeOf(command) === CC.flushContext)
    .map((command) => command.slice(10));
  assert.deepEqual(flushed, [0x8000_0000, 0x8000_0001, 0x0300_0002].map(u32));
  assert.equal(device.sent.map(codeOf).at(-1), CC.getRandom);
});
