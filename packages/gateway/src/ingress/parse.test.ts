import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8, isObject, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { findExactNumbers, restoreExactNumbers } from './numbers.ts';
import { createBodyParser } from './parse.ts';

const LIMITS = { bodyBytes: 4_000_000, depth: 32 };
const refusedWith = (code: string) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'PARSE_ERROR' && error.detail === code;

/** Pads a JSON object text beyond the size that is parsed inline. */
const large = (members: string): Uint8Array => encodeUtf8(`{"pad":"${'x'.repeat(70_000)}",${members}}`);

test('a large body is parsed off the event loop to the same value as a small one [G5]', async (t) => {
  const parser = createBodyParser(LIMITS);
  t.after(() => parser.close());
  const members = '"a":[1.50,-0,1e300,12345678901234567890,{"__proto__":{"b":0.1}},7],"10":1,"9":2.0';
  const value = await parser.parse(large(members));
  assert.equal(stringifyJson(value), stringifyJson(parseJson(large(members))));
  assert.ok(isObject(value));
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});

test('large and small bodies are refused for the same reasons [G4] [G5] [ATK-11] [ATK-14]', async (t) => {
  const parser = createBodyParser(LIMITS);
  t.after(() => parser.close());
  const bad: [string, string][] = [
    ['"name":"safe","n\\u0061me":"rm"', 'DUPLICATE_KEY'],
    [`"a":${'['.repeat(100)}${']'.repeat(100)}`, 'TOO_DEEP'],
    [`"a":${'1'.repeat(2000)}`, 'NUMBER_TOO_LONG'],
    ['"a":1e999', 'NUMBER_RANGE'],
    ['"a":"\\ud800"', 'LONE_SURROGATE'],
    ['"a":NaN', 'SYNTAX'],
    ['"a":1,', 'SYNTAX'],
  ];
  for (const [members, code] of bad) {
    await assert.rejects(parser.parse(encodeUtf8(`{${members}}`)), refusedWith(code));
    await assert.rejects(parser.parse(large(members)), refusedWith(code));
  }
  await assert.rejects(parser.parse(Uint8Array.of(0x22, 0xff, 0x22)), refusedWith('ENCODING'));
});

test('a body of very many values is refused: what follows costs time for each [G5]', async (t) => {
  const parser = createBodyParser(LIMITS);
  t.after(() => parser.close());
  await assert.rejects(parser.parse(encodeUtf8(`[${'1,'.repeat(100_000)}1]`)), refusedWith('TOO_MANY_ITEMS'));
});

test('too many numbers that need their text are refused [G5]', async (t) => {
  const parser = createBodyParser(LIMITS);
  t.after(() => parser.close());
  const numbers = new Array(200_001).fill('0.5').join(',');
  await assert.rejects(parser.parse(encodeUtf8(`[${numbers}]`)), refusedWith('TOO_MANY_ITEMS'));
});

test('many large bodies at once are bounded, and closing refuses what still waits [G5]', async () => {
  const parser = createBodyParser(LIMITS);
  const asked = Array.from({ length: 40 }, () => parser.parse(large('"a":1')));
  const outcomes = Promise.allSettled(asked);
  await parser.close();
  const codes = (await outcomes).map((each) => (each.status === 'rejected' ? each.reason.code : 'done'));
  assert.equal(codes.filter((code) => code === 'OVERLOADED').length, 8);
  assert.equal(codes.filter((code) => code === 'INTERNAL_ERROR').length, 32);
});

test('numbers are restored exactly whatever the value', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      const strict = parseJson(text);
      const numbers = findExactNumbers(strict, 1000);
      assert.ok(numbers !== null);
      assert.equal(stringifyJson(restoreExactNumbers(JSON.parse(text), numbers)), stringifyJson(strict));
    }),
  );
});

test('numbers that do not belong to a value are a fault, not a guess', () => {
  for (const numbers of [
    { at: [0], lexemes: ['2.5'] },
    { at: [1], lexemes: ['1.5'] },
    { at: [0, 1], lexemes: ['1.5', '1.5'] },
  ]) {
    assert.throws(
      () => restoreExactNumbers([1.5], numbers),
      (error) => error instanceof GatewayError && error.code === 'INTERNAL_ERROR',
    );
  }
});
