import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../errors.ts';
import { endText, recordText } from '../../recording/record.ts';
import { RecordSealer } from '../../recording/sealing.ts';
import { type Recording, readRecording } from './recording.ts';

const { privateKey, publicKey } = generateKeyPairSync('x25519');
const KEY = String(publicKey.export({ format: 'jwk' }).x);

const decision = (callId: string): string =>
  recordText({
    callId,
    sessionId: 's',
    stage: 'ingress',
    timeMicros: 1,
    bundleHash: 'sha256:a',
    catalogHash: 'sha256:b',
    decision: { effect: 'allow', policyIds: ['p'], redactions: [], error: null },
    input: { call: 'echo' },
  });

/** Header and records of a recording of `count` decisions, with its end. */
function sealed(count: number): string[] {
  const sealer = new RecordSealer(KEY);
  const ids = Array.from({ length: count }, (_, index) => `call-${index}`);
  return [sealer.header, ...ids.map((id) => sealer.seal(decision(id))), sealer.seal(endText(count))];
}

const read = (lines: readonly string[]): Recording => readText(lines.map((line) => `${line}\n`).join(''));
const readText = (text: string): Recording => readRecording(Buffer.from(text), 'r', privateKey);
const calls = ({ records }: Recording): string[] => records.map(({ callId }) => callId);

test('a whole recording has no problems', () => {
  const recording = read(sealed(3));
  assert.deepEqual([recording.problems, recording.notes], [[], []]);
  assert.deepEqual(calls(recording), ['call-0', 'call-1', 'call-2']);
  assert.equal(decision('call-0'), recordText(recording.records[0] as Recording['records'][number]));
});

test('what is damaged, missing, repeated or out of order is told, and the rest is read', () => {
  const [header = '', a = '', b = '', c = '', end = ''] = sealed(3);
  const damaged = `${b.slice(0, 40)}${b[40] === 'A' ? 'B' : 'A'}${b.slice(41)}`;
  const cases: [string[], string[], RegExp[], RegExp?][] = [
    [
      [a, damaged, c, end],
      ['call-0', 'call-2'],
      [/^r:3: the record is damaged/, /1 of the decisions .* not in it/],
    ],
    [[a, c, end], ['call-0', 'call-2'], [/1 of the decisions that were made are not in it/]],
    [[b, a, c, end], ['call-0', 'call-1', 'call-2'], [/^r:3: the record is out of order/]],
    [[a, b, b, c, end], ['call-0', 'call-1', 'call-2'], [/^r:4: the record stands here a second time/]],
    [[a, b, c], ['call-0', 'call-1', 'call-2'], [], /has no end/],
    [[a, c], ['call-0', 'call-2'], [/1 of the decisions/], /has no end/],
    [[a, b, c, end, end], ['call-0', 'call-1', 'call-2'], [/^r:6: the record stands here a second time/]],
    [[a, end], ['call-0'], [/2 of the decisions/]],
    [['', a, b, c, end], ['call-0', 'call-1', 'call-2'], [/^r:2: the record is damaged/]],
  ];
  for (const [lines, expected, problems, note] of cases) {
    const recording = read([header, ...lines]);
    assert.deepEqual(calls(recording), expected);
    assert.equal(recording.problems.length, problems.length, recording.problems.join('\n'));
    assert.match(recording.notes.join(' '), note ?? /^$/);
    for (const [index, pattern] of problems.entries()) assert.match(recording.problems[index] ?? '', pattern);
  }
});

test('what follows the end is told', () => {
  const sealer = new RecordSealer(KEY);
  const lines = [sealer.header, sealer.seal(endText(0)), sealer.seal(decision('late'))];
  assert.match(read(lines).problems.join(), /goes on after its end/);
});

test('a last line that is not whole is left out, and is not fatal', () => {
  const recording = readText(sealed(2).slice(0, 3).join('\n'));
  assert.deepEqual(calls(recording), ['call-0']);
  assert.deepEqual(recording.problems, []);
  assert.match(recording.notes.join(' '), /the last line is not whole.*has no end/);
});

test('records of another recording are damaged ones here, whoever they are sealed to', () => {
  const [header = '', ...rest] = sealed(1);
  const [, foreign = ''] = sealed(1);
  const recording = read([header, foreign, ...rest.slice(1)]);
  assert.deepEqual(calls(recording), []);
  assert.match(recording.problems[0] ?? '', /sealed elsewhere/);
});

test('the header is sealed along: under another one no record opens', () => {
  const [header = '', ...rest] = sealed(1);
  const recording = read([header.replace('{', '{ '), ...rest]);
  assert.deepEqual(calls(recording), []);
  assert.match(recording.problems[0] ?? '', /damaged/);
});

test('what opens and is no decision is told, member by member', () => {
  const sealer = new RecordSealer(KEY);
  const texts = ['{}', 'no json', decision('a').replace('"ingress"', '"later"'), decision('a').replace('"p"', '1')];
  const recording = read([sealer.header, ...texts.map((text) => sealer.seal(text)), sealer.seal(endText(0))]);
  assert.deepEqual(calls(recording), []);
  const told = [/r:2 at .*decision: must|r:2.*"decision" is missing/, /r:3/, /r:4.*stage/, /r:5.*policy_ids/];
  for (const pattern of told) assert.match(recording.problems.join('\n'), pattern);
});

test('a header of another version, suite, key or with a key of small order is refused', () => {
  const [header = ''] = sealed(0);
  const small = Buffer.alloc(32).toString('base64url');
  const { ephemeral } = JSON.parse(header) as { ephemeral: string };
  const refused: [string, RegExp][] = [
    ['', /not a recording/],
    [header.replace('"cmcp_recording":1', '"cmcp_recording":2'), /version/],
    [header.replace('AES-256', 'AES-128'), /not sealed with/],
    [header.replace(/"key_id":"[^"]*"/, '"key_id":"x"'), /is sealed to the key x/],
    [header.replace(ephemeral, 'AAAA'), /must be an X25519 public key/],
    [header.replace(ephemeral, small), /a key that no gateway makes/],
    [header.replace('{', '{"more":1,'), /unknown member/],
  ];
  for (const [line, message] of refused) assert.throws(() => read([line]), { code: 'RECORDING_INVALID', message });
});

test('bytes of any kind are read, or refused with RECORDING_INVALID, and never fail otherwise', () => {
  const good = Buffer.from(sealed(3).join('\n'));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 5 }).map((changes) => {
      const changed = Buffer.from(good);
      for (const [at, byte] of changes) changed[at] = byte;
      return changed;
    }),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      try {
        readRecording(given, 'r', privateKey);
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'RECORDING_INVALID', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('what anybody can seal to the key is read, or told of, and never fails otherwise', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.json(), fc.string()), { maxLength: 5 }), (texts) => {
      const sealer = new RecordSealer(KEY);
      read([sealer.header, ...texts.map((text) => sealer.seal(text))]);
    }),
    { numRuns: 200 },
  );
});
