import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import {
  beside,
  collectOne,
  idsOf,
  judged,
  openEnrolled,
  random,
  temporaryFile,
} from '../../../../../tests/support/tpm-provider.ts';
import { type EventToWrite, writeEventLog } from '../../../../evidence/src/testing/event-log.ts';
import { systemTsmFs } from '../tsm/fs.ts';
import { FirmwareLog } from './event-log.ts';

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

const BANKS = ['sha256'];

function extending(index: number, fill: number): EventToWrite {
  return { index, digests: { sha256: new Uint8Array(32).fill(fill) }, data: Uint8Array.of(fill) };
}

function extend(tpm: SoftwareTpm, { index, digests }: EventToWrite): void {
  tpm.run('tpm2_pcrextend', `${index}:sha256=${Buffer.from(digests.sha256 ?? []).toString('hex')}`);
}

test('the log of the firmware explains both quotes; registers that other programs extended are left out of it', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const events = [extending(0, 1), extending(4, 2), extending(4, 3), extending(9, 4)];
  for (const event of events) extend(tpm, event);
  const eventLog = temporaryFile(t, 'log', writeEventLog(BANKS, events, new Uint8Array(64)));
  const { provider, root } = await openEnrolled(t, tpm, { eventLog });
  const whole = await collectOne(provider, random(64));
  assert.deepEqual(beside(whole, 'event_log'), writeEventLog(BANKS, events, new Uint8Array(64)));
  // As systemd does with PCR 11 or a kernel with PCR 9: nothing in the firmware's log says so.
  extend(tpm, extending(9, 5));
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  const rest = events.filter(({ index }) => index !== 9);
  assert.deepEqual(beside(evidence, 'second_event_log'), writeEventLog(BANKS, rest));
  const verdict = await judged(evidence, bound, [root]);
  assert.equal(verdict.acceptable, true, verdict.summary);
  for (const id of ['tpm.event_log', 'tpm-second.event_log']) assert.ok(idsOf(verdict, 'proven').includes(id), id);
  const live = await provider.collectLive(random(64));
  assert.deepEqual(live.files.event_log, beside(evidence, 'event_log'));
});

test('a log that leads to no quoted register is left out', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const eventLog = temporaryFile(t, 'log', writeEventLog(BANKS, [extending(3, 9)]));
  const { provider } = await openEnrolled(t, tpm, { eventLog });
  assert.equal(beside(await collectOne(provider, random(64)), 'event_log').length, 0);
});

async function opened(path: string): Promise<{ log: FirmwareLog | null; heard: string[] }> {
  const heard: string[] = [];
  return { log: await FirmwareLog.open(path, systemTsmFs, (detail) => heard.push(detail)), heard };
}

test('a log that is not there, too large, empty, or of SHA-1 form is left out, and the reason is told', async (t) => {
  const cases: [string, RegExp][] = [
    ['/nowhere/log', /ENOENT/],
    [temporaryFile(t, 'large', new Uint8Array(262_145)), /EFBIG/],
    [temporaryFile(t, 'empty', ''), /event log/],
    [temporaryFile(t, 'sha1', writeEventLog(['sha1'], [])), /no sha256 bank/],
  ];
  for (const [path, why] of cases) {
    const { log, heard } = await opened(path);
    assert.equal(log, null);
    assert.match(heard.join(), /^evidence carries no event log: /);
    assert.match(heard.join(), why);
  }
});

test('any bytes are a log or left out', async () => {
  const sound = writeEventLog(BANKS, [extending(0, 1), extending(1, 2)]);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(fc.nat(sound.length - 1), fc.nat(255))
      .map(([at, value]) => sound.map((byte, i) => (i === at ? value : byte))),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (content) => {
      const files = { readFile: async () => new Uint8Array(content), readdir: async () => [] };
      const log = await FirmwareLog.open('a log', files, () => {});
      log?.explaining(new Map([[0, new Uint8Array(32)]]));
    }),
    { numRuns: 200 },
  );
});
