import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { writeEventLog } from '../../testing/event-log.ts';
import { testAnchor } from '../../testing/pki.ts';
import { makeTdx, TDX_PLATFORM } from '../../testing/tdx.ts';
import { makeTdxPki } from '../../testing/tdx-pki.ts';
import { filled, joinBytes } from '../../testing/tdx-quote.ts';
import { vectorCases } from '../../testing/vectors.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { tdxEvidence } from './evidence.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const PKI = await makeTdxPki(TDX_PLATFORM);
const ZERO = new Uint8Array(48);

const measured = (index: number, text: string) => ({
  index,
  digests: { sha384: new Uint8Array(createHash('sha384').update(text).digest()) },
});
const log = (...events: ReturnType<typeof measured>[]) => writeEventLog(['sha384'], events);
const extended = (text: string) =>
  joinBytes(createHash('sha384').update(ZERO).update(createHash('sha384').update(text).digest()).digest());

async function judge(more: Record<string, Bytes>, rtmr: readonly Bytes[]): Promise<EvidenceVerdict> {
  const { files, at } = await makeTdx({ pki: PKI, guest: { rtmr } });
  const verdict = await tdxEvidence({ ...files, ...more }, { at, anchors: [testAnchor(PKI.root, 'intel-sgx')] });
  assert.equal(verdict.authentic, true);
  return verdict;
}

function outcomes(verdict: EvidenceVerdict): (string | undefined)[] {
  const of = (id: string) => verdict.checks.find((check) => check.id === id)?.outcome;
  return ['', '.rtmr0', '.rtmr1', '.rtmr2', '.rtmr3'].map((part) => of(`tdx.event_log${part}`));
}

test('an event log is matched, mismatched or absent for each RTMR; only what it leads to is proven', async () => {
  const rtmr = [extended('a'), extended('b'), ZERO, filled(48, 3)];
  const matched = await judge({ event_log: log(measured(1, 'a'), measured(2, 'b')) }, rtmr);
  assert.deepEqual(outcomes(matched), ['proven', 'proven', 'proven', 'not checked', 'not checked']);
  assert.deepEqual([matched.acceptable, matched.facts.rtmr_replay], [true, '0,1']);
  const other = await judge({ event_log: log(measured(1, 'a'), measured(2, 'x')) }, rtmr);
  assert.deepEqual(outcomes(other), ['failed', 'proven', 'failed', 'not checked', 'not checked']);
  assert.deepEqual([other.acceptable, other.facts.rtmr_replay], [false, '0']);
  const more = await judge({ event_log: log(measured(1, 'a'), measured(3, 'c')) }, rtmr);
  assert.deepEqual(outcomes(more), ['failed', 'proven', 'not checked', 'failed', 'not checked']);
});

test('without an event log nothing is said about it, and with an empty one nothing is proven', async () => {
  const none = await judge({}, [ZERO, ZERO, ZERO, ZERO]);
  assert.deepEqual(outcomes(none), [undefined, undefined, undefined, undefined, undefined]);
  assert.equal(none.acceptable, true);
  const empty = await judge({ event_log: log() }, [ZERO, ZERO, ZERO, ZERO]);
  assert.deepEqual([empty.acceptable, outcomes(empty)[0], empty.facts.rtmr_replay], [null, 'not checked', '']);
});

test('a log that cannot be read, has no SHA-384 bank, or extends MRTD is refused', async () => {
  const rtmr = [extended('a'), ZERO, ZERO, ZERO];
  const sha256 = { index: 1, digests: { sha256: new Uint8Array(32) } };
  for (const event_log of [
    new Uint8Array(),
    filled(64, 7),
    writeEventLog(['sha256'], [sha256]),
    log(measured(0, 'm'), measured(1, 'a')),
    log(measured(5, 'a')),
  ]) {
    const verdict = await judge({ event_log }, rtmr);
    assert.deepEqual([verdict.acceptable, outcomes(verdict)[0]], [false, 'failed']);
  }
});

test('the ACPI table of the log must be one for TDX that has room for the log', async (t) => {
  const each = vectorCases('tdx', 'intel-sgx')?.find(({ id }) => id === 'go-tdx-guest-cos113-ccel');
  if (each === undefined) return t.skip('no shared vectors');
  const table = async (files: Record<string, Bytes>) => {
    const { checks, acceptable } = await tdxEvidence(files, { at: each.at, anchors: each.anchors });
    return [checks.find(({ id }) => id === 'tdx.event_log_table')?.outcome, acceptable];
  };
  const genuine = each.files.event_log_table as Bytes;
  assert.deepEqual(await table(each.files), ['proven', null]);
  const { event_log: _, ...alone } = each.files;
  assert.deepEqual(await table(alone), ['not checked', null]);
  const summed = (changes: [number, number][]) => {
    const changed = genuine.slice();
    for (const [at, value] of changes) {
      changed[9] = (changed[9] ?? 0) + (changed[at] ?? 0) - value;
      changed[at] = value;
    }
    return changed;
  };
  const unsummed = genuine.slice();
  unsummed[20] = 0x21;
  for (const event_log_table of [
    genuine.slice(0, 55),
    joinBytes(genuine, new Uint8Array(1)),
    unsummed,
    summed([[0, 0x44]]),
    summed([[4, 57]]),
    summed([[36, 1]]),
    summed([[42, 3]]),
  ]) {
    assert.deepEqual(await table({ ...each.files, event_log_table }), ['failed', false]);
  }
  assert.deepEqual(await table({ ...each.files, event_log_table: summed([[20, 0x21]]) }), ['proven', null]);
});
