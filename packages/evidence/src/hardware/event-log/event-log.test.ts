import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../../tests/shared.ts';
import { encodeHex } from '../../bytes/hex.ts';
import { FormatError } from '../../format-error.ts';
import { type EventToWrite, startupLocalityEvent, writeEventLog } from '../../testing/event-log.ts';
import { parseEventLog } from './parse.ts';
import { replay } from './replay.ts';

const BANKS = ['sha256', 'sha384'];

function measured(index: number, text: string, type?: number): EventToWrite {
  const digest = (name: string) => new Uint8Array(createHash(name).update(text).digest());
  return {
    index,
    ...(type === undefined ? {} : { type }),
    digests: { sha256: digest('sha256'), sha384: digest('sha384') },
    data: new Uint8Array(Buffer.from(text)),
  };
}

/** Extends as the specification says it, with another implementation of the hash. */
function extended(name: 'sha256' | 'sha384', start: Uint8Array, ...texts: string[]): string {
  return texts
    .reduce(
      (value, text) => createHash(name).update(value).update(createHash(name).update(text).digest()).digest(),
      Buffer.from(start),
    )
    .toString('hex');
}

function registers(bytes: Uint8Array<ArrayBuffer>, bank: string, kind: 'pcr' | 'ccel' = 'pcr'): Record<string, string> {
  return Object.fromEntries(
    [...replay(parseEventLog(bytes), bank, kind)].map(([index, value]) => [index, encodeHex(value)]),
  );
}

test('a replay gives the registers that the events lead to, bank by bank, and none that no event extends', () => {
  const log = writeEventLog(BANKS, [measured(0, 'a'), measured(7, 'b'), measured(0, 'c'), measured(5, 'x', 3)]);
  assert.deepEqual(registers(log, 'sha256'), {
    0: extended('sha256', new Uint8Array(32), 'a', 'c'),
    7: extended('sha256', new Uint8Array(32), 'b'),
  });
  assert.deepEqual(registers(log, 'sha384'), {
    0: extended('sha384', new Uint8Array(48), 'a', 'c'),
    7: extended('sha384', new Uint8Array(48), 'b'),
  });
});

test('the log of a genuine TDX guest leads to the registers in its quote', (t) => {
  const quotePath = sharedPath('vectors', 'tdx', 'go-tdx-guest-cos113-ccel', 'quote.bin');
  const logPath = sharedPath('vectors', 'tdx', 'go-tdx-guest-cos113-ccel', 'ccel.bin');
  if (quotePath === null || logPath === null) return t.skip('no shared vectors');
  const quote = readFileSync(quotePath);
  const rtmr = (index: number) => quote.subarray(48 + 328 + 48 * index, 48 + 376 + 48 * index).toString('hex');
  const found = registers(new Uint8Array(readFileSync(logPath)), 'sha384', 'ccel');
  assert.deepEqual(found, { 1: rtmr(0), 2: rtmr(1), 3: rtmr(2) });
});

test('PCR 17 to 22 start with ones, PCR 0 with the locality of the start, and neither does so in a log of a TDX guest', () => {
  const ones = new Uint8Array(32).fill(0xff);
  const from3 = new Uint8Array(32);
  from3[31] = 3;
  const events = [
    startupLocalityEvent(BANKS, 3),
    measured(0, 'a'),
    measured(17, 'b'),
    measured(22, 'c'),
    measured(23, 'd'),
  ];
  assert.deepEqual(registers(writeEventLog(BANKS, events), 'sha256'), {
    0: extended('sha256', from3, 'a'),
    17: extended('sha256', ones, 'b'),
    22: extended('sha256', ones, 'c'),
    23: extended('sha256', new Uint8Array(32), 'd'),
  });
  const guest = writeEventLog(BANKS, [startupLocalityEvent(BANKS, 3), measured(0, 'a'), measured(4, 'b')]);
  assert.deepEqual(registers(guest, 'sha384', 'ccel'), {
    0: extended('sha384', new Uint8Array(48), 'a'),
    4: extended('sha384', new Uint8Array(48), 'b'),
  });
});

test('the unused rest of the memory area is counted; other bytes after the events are refused', () => {
  const events = [measured(1, 'a')];
  assert.equal(parseEventLog(writeEventLog(BANKS, events)).padding, 0);
  for (const value of [0, 0xff]) {
    const log = parseEventLog(writeEventLog(BANKS, events, new Uint8Array(100).fill(value)));
    assert.deepEqual([log.events.length, log.padding], [1, 100]);
  }
  for (const rest of [Uint8Array.of(0, 1), Uint8Array.of(0xff, 0xff, 0), new Uint8Array(64).fill(7)]) {
    assert.throws(() => parseEventLog(writeEventLog(BANKS, events, rest)), FormatError);
  }
});

test('a log that ends within an event is refused at every length', () => {
  const log = writeEventLog(BANKS, [measured(1, 'a'), measured(2, 'b')]);
  const wholeEvents = [writeEventLog(BANKS, []).length, writeEventLog(BANKS, [measured(1, 'a')]).length];
  for (let length = 0; length < log.length; length++) {
    const cut = () => parseEventLog(log.slice(0, length));
    // The zeros at the start of an event could as well be padding.
    if (wholeEvents.includes(length)) assert.doesNotThrow(cut);
    else assert.throws(cut, FormatError, `${length}`);
  }
});

test('digests are those that the head declares, once each, of known algorithms with their own length', () => {
  const sha256 = new Uint8Array(32);
  const refused = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
    assert.throws(
      () => parseEventLog(bytes),
      (error) => error instanceof FormatError && message.test(error.message),
    );
  refused(writeEventLog(['sha384'], [{ index: 1, digests: { sha256 } }]), /does not declare/);
  refused(writeEventLog([], []), /no algorithm/);
  refused(writeEventLog(['sha256', 'sha256'], []), /twice/);
  refused(writeEventLog(['sha256'], [{ index: 1, digests: {}, data: Uint8Array.of(1) }]), /no digest/);
  const at = (bytes: Uint8Array<ArrayBuffer>, offset: number, value: number) => {
    bytes[offset] = value;
    return bytes;
  };
  const head = () => writeEventLog(['sha256'], [measuredWith(['sha256'])]);
  refused(at(head(), 0, 2), /first event/);
  refused(at(head(), 4, 4), /first event/);
  refused(at(head(), 9, 1), /reserved/);
  refused(at(head(), 32, 0x58), /crypto-agile/);
  refused(at(head(), 53, 3), /version 3/);
  refused(at(head(), 60, 0x99), /not known/);
  refused(at(head(), 62, 20), /declared with/);
  // One byte of vendor information is there and is said not to be.
  const surplus = Uint8Array.of(...head().slice(0, 65), 7, ...head().slice(65));
  refused(at(surplus, 28, 34), /follow its end/);
  assert.equal(parseEventLog(at(at(surplus, 28, 34), 64, 1)).events.length, 1);
  // The second of two digests is named as the first.
  const two = writeEventLog(BANKS, [measured(1, 'a')]);
  const second = two.length - 5 - 48 - 2;
  assert.deepEqual([...two.slice(second, second + 2)], [0x0c, 0]);
  refused(at(two, second, 0x0b), /two sha256 digests/);
});

function measuredWith(banks: readonly string[]): EventToWrite {
  return { index: 1, digests: Object.fromEntries(banks.map((name) => [name, new Uint8Array(32)])) };
}

test('what cannot be replayed is an error: another bank, a missing digest, a register that does not exist, SM3', () => {
  const refused = (bytes: Uint8Array<ArrayBuffer>, bank: string, message: RegExp, kind: 'pcr' | 'ccel' = 'pcr') =>
    assert.throws(
      () => replay(parseEventLog(bytes), bank, kind),
      (error) => error instanceof FormatError && message.test(error.message),
    );
  const log = writeEventLog(BANKS, [measured(1, 'a')]);
  refused(log, 'sha512', /no sha512 bank/);
  refused(log, 'toString', /no toString bank/);
  refused(writeEventLog(BANKS, [measuredWith(['sha256'])]), 'sha384', /no sha384 digest/);
  refused(writeEventLog(BANKS, [measured(24, 'a')]), 'sha256', /register 24/);
  refused(writeEventLog(BANKS, [measured(5, 'a')]), 'sha256', /register 5/, 'ccel');
  refused(writeEventLog(['sm3-256'], [measuredWith(['sm3-256'])]), 'sm3-256', /SM3/);
  refused(writeEventLog(BANKS, [measured(0, 'a'), startupLocalityEvent(BANKS, 3)]), 'sha256', /not at its place/);
  const twice = [startupLocalityEvent(BANKS, 3), startupLocalityEvent(BANKS, 3)];
  refused(writeEventLog(BANKS, twice), 'sha256', /not at its place/);
  refused(writeEventLog(BANKS, [startupLocalityEvent(BANKS, 7)]), 'sha256', /locality 7/);
  refused(writeEventLog(BANKS, [{ ...startupLocalityEvent(BANKS, 3), index: 1 }]), 'sha256', /form/);
});

test('any bytes give a log or a FormatError, whatever was done to a log', () => {
  const log = writeEventLog(BANKS, [startupLocalityEvent(BANKS, 0), measured(0, 'a'), measured(4, 'b')]);
  const total = (bytes: Uint8Array<ArrayBuffer>) => {
    try {
      for (const kind of ['pcr', 'ccel'] as const) replay(parseEventLog(bytes), 'sha256', kind);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  };
  const byte = fc.integer({ min: 0, max: 255 });
  const edits = fc.array(fc.tuple(fc.nat(log.length - 1), byte), { maxLength: 4 });
  fc.assert(
    fc.property(edits, fc.nat(log.length), (changes, length) => {
      const changed = log.slice();
      for (const [at, value] of changes) changed[at] = value;
      total(changed);
      total(changed.slice(0, length));
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => total(new Uint8Array(bytes))));
});
