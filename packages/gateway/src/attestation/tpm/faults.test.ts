import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import {
  beside,
  collectOne,
  isFailure,
  judged,
  openEnrolled,
  random,
} from '../../../../../tests/support/tpm-provider.ts';
import { systemTimers, type Timers } from '../../timers.ts';
import { CC } from './constants.ts';
import { tpmOver } from './tpm.ts';
import type { Transport } from './transport.ts';
import { socketTransport } from './transport-socket.ts';

type Bytes = Uint8Array<ArrayBuffer>;
/** What happens to one command between the gateway and its TPM. `ask` sends a command to the TPM. */
type Between = (code: number, command: Uint8Array, ask: (command: Uint8Array) => Promise<Bytes>) => Promise<Bytes>;

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

/** The TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  return device;
}

const untouched: Between = (_code, command, ask) => ask(command);

/** Somebody on the way to the TPM, who does `here.between` to what passes. */
function onTheWay(
  { address }: SoftwareTpm,
  timers: Timers = systemTimers,
): { transport: Transport; here: { between: Between } } {
  const here = { between: untouched };
  const direct = socketTransport(address, timers);
  const transport: Transport = {
    ...direct,
    connect: async (signal) => {
      const connection = await direct.connect(signal);
      return {
        exchange: (command) => {
          const code = new DataView(command.buffer, command.byteOffset).getUint32(6);
          return here.between(code, command, (bytes) => connection.exchange(bytes));
        },
        close: () => connection.close(),
      };
    },
  };
  return { transport, here };
}

/** An enrolled provider behind somebody on the way. */
async function behind(t: TestContext, tpm: SoftwareTpm, timers: Timers = systemTimers) {
  const { transport, here } = onTheWay(tpm, timers);
  return { ...(await openEnrolled(t, tpm, { tpm: tpmOver(transport, { timers }) })), here };
}

test('whatever is changed on the way, evidence that is handed out verifies', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root, here } = await behind(t, tpm);
  let refused = 0;
  const changes = fc.record({
    code: fc.constantFrom(CC.quote, CC.pcrRead, CC.contextLoad),
    at: fc.nat(),
    bit: fc.nat(7),
  });
  await fc.assert(
    fc.asyncProperty(changes, async ({ code, at, bit }) => {
      let done = false;
      here.between = async (sent, command, ask) => {
        const answer = await ask(command);
        if (sent !== code || done) return answer;
        done = true;
        const position = at % answer.length;
        answer[position] = (answer[position] ?? 0) ^ (1 << bit);
        return answer;
      };
      const bound = random(64);
      const [evidence] = await provider.collect([bound]).catch((error: unknown) => {
        assert.ok(isFailure(/./)(error), String(error));
        refused++;
        return [];
      });
      if (evidence !== undefined) assert.equal((await judged(evidence, bound, [root])).acceptable, true);
      assert.ok(done);
    }),
    { numRuns: 120 },
  );
  assert.ok(refused > 60, `${refused} of 120`);
  here.between = untouched;
  await collectOne(provider, random(64));
});

test('answers that are short, garbage, or of another command are no evidence, and the next request is served', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, here } = await behind(t, tpm);
  const answers: Between[] = [
    async (_code, command, ask) => (await ask(command)).slice(0, 9),
    async (_code, command, ask) => (await ask(command)).slice(0, -1),
    async (_code, command, ask) => Uint8Array.of(...(await ask(command)), 0),
    async () => new Uint8Array(),
    async () => random(100),
    async () => Uint8Array.of(0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01),
    async (_code, _command, ask) => ask(Uint8Array.of(0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 8)),
  ];
  for (const answer of answers) {
    here.between = (code, command, ask) => (code === CC.quote ? answer(code, command, ask) : ask(command));
    await assert.rejects(collectOne(provider, random(64)), isFailure(/TPM/), String(answer));
    here.between = untouched;
    await collectOne(provider, random(64));
  }
});

test('a TPM that does not answer is given up on in bounded time', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const time = new ManualTime();
  const { transport, here } = onTheWay(tpm);
  const { provider } = await openEnrolled(t, tpm, { tpm: tpmOver(transport, { timers: time }) });
  const asked = new Promise<void>((resolve) => {
    here.between = (code, command, ask) => {
      if (code !== CC.quote) return ask(command);
      resolve();
      return new Promise(() => {});
    };
  });
  const collected = assert.rejects(provider.collect([random(64)]), isFailure(/did not answer Quote within 30 s/));
  await asked;
  time.advance(30_000);
  await collected;
  here.between = untouched;
  await collectOne(provider, random(64));
});

test('who gives up waiting gets an answer at once', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, here } = await behind(t, tpm);
  const giveUp = new AbortController();
  here.between = async (code, command, ask) => {
    if (code === CC.quote) giveUp.abort();
    return ask(command);
  };
  await assert.rejects(provider.collect([random(64)], giveUp.signal), isFailure(/not needed any more/));
  here.between = untouched;
  await collectOne(provider, random(64));
});

/** TPM2_PCR_Extend of PCR 10, SHA-256, as it crosses the bus. */
function extension(fill: number): Bytes {
  const head = [0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, 10];
  const empty = [0, 0, 0, 9, 0x40, 0, 0, 0x09, 0, 0, 0, 0, 0];
  return Uint8Array.of(...head, ...empty, 0, 0, 0, 1, 0x00, 0x0b, ...new Uint8Array(32).fill(fill));
}

test('a register that another program extends while it is quoted is quoted again', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root, here } = await behind(t, tpm);
  let extensions = 0;
  const extending =
    (times: number): Between =>
    async (code, command, ask) => {
      const answer = await ask(command);
      if (code === CC.quote && extensions < times) await ask(extension(++extensions));
      return answer;
    };
  here.between = extending(2);
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  assert.equal(extensions, 2);
  assert.equal((await judged(evidence, bound, [root])).acceptable, true);
  assert.ok(beside(evidence, 'second_pcrs').length > 0);
  here.between = extending(1000);
  await assert.rejects(collectOne(provider, random(64)), isFailure(/change faster than they can be quoted/));
});

test('a TPM that dies while it is asked gives no evidence, and neither does it afterwards', async (t) => {
  if (present(t) === null) return;
  const tpm = startSoftwareTpm();
  let stopped = false;
  const stop = () => {
    if (!stopped) tpm.stop();
    stopped = true;
  };
  t.after(stop);
  const { provider, here } = await behind(t, tpm);
  await collectOne(provider, random(64));
  here.between = async (code, command, ask) => {
    if (code === CC.quote) stop();
    return ask(command);
  };
  const sessions = Array.from({ length: 5 }, () => provider.collect([random(64)]));
  for (const outcome of await Promise.allSettled(sessions)) {
    assert.equal(outcome.status, 'rejected');
    assert.ok(outcome.status === 'rejected' && isFailure(/TPM/)(outcome.reason), String(outcome));
  }
  await assert.rejects(provider.collectLive(random(64)), isFailure(/cannot be reached/));
  await assert.rejects(provider.launchRegister(), isFailure(/cannot be reached/));
  await assert.rejects(provider.extend(random(32)), isFailure(/cannot be reached/));
  await provider.close();
  await assert.rejects(provider.collect([random(64)]), isFailure(/let go of/));
});

/** TPM2_NV_Extend of the index of gateways by two bytes, as it crosses the bus. */
const NV_EXTENSION = Uint8Array.of(
  ...[0x80, 0x02, 0, 0, 0, 35, 0, 0, 0x01, 0x36, 0x01, 0x50, 0x04, 0x32, 0x01, 0x50, 0x04, 0x32],
  ...[0, 0, 0, 9, 0x40, 0, 0, 0x09, 0, 0, 0, 0, 0, 0, 2, 7, 7],
);

test('a record of the gateway that another program wrote into is no record', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, heard, here } = await behind(t, tpm);
  const components = { code: 'a'.repeat(64), policy: 'b'.repeat(64), config: 'c'.repeat(64) };
  const bound = random(64);
  let certified = 0;
  here.between = async (code, command, ask) => {
    const answer = await ask(command);
    if (code === CC.nvCertify && ++certified === 1) await ask(NV_EXTENSION);
    return answer;
  };
  await provider.recordGateway(components, bound.slice(0, 32));
  assert.match(heard.join('\n'), /not recorded in the TPM: .*extended by the digest/);
  assert.equal(beside(await collectOne(provider, bound), 'nv_certify').length, 0);
  here.between = untouched;
  await provider.recordGateway(components, bound.slice(0, 32));
  assert.ok(beside(await collectOne(provider, bound), 'nv_certify').length > 0);
});
