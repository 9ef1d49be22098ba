import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkSync } from 'recheck';
import { joined, without } from '../spans.ts';
import { HIDDEN, scanHidden } from './scan-hidden.ts';

const tags = (text: string): string =>
  [...text].map((letter) => String.fromCodePoint(0xe0000 + (letter.codePointAt(0) ?? 0))).join('');
const left = (text: string): string => without(text, joined(scanHidden(text)));

test('what nobody sees is found and taken out, whatever it says [ATK-07] [ATK-08]', () => {
  for (const [hidden, rule] of [
    [tags('anything at all'), 'tag-characters'],
    ['\u200b\u200c'.repeat(20), 'invisible-run'],
    ['\u2062\u2063\u2064\u2062\u2063\u2064\u2062\u2063', 'invisible-run'],
    ['\u{e0101}\u{e0120}\u{e0133}\ufe01', 'selector-bytes'],
    ['\u001b[8m', 'terminal-conceal'],
    ['\u001b[31;8m', 'terminal-conceal'],
    ['\u009b8m', 'terminal-conceal'],
    ['\u001b]8;;https://evil.example\u0007', 'terminal-conceal'],
    ['\u001bPanything\u001b\\', 'terminal-conceal'],
  ] as const) {
    const text = `before ${hidden} after`;
    assert.deepEqual(
      scanHidden(text).map((finding) => finding.rule),
      [rule],
      JSON.stringify(hidden),
    );
    assert.equal(left(text), 'before  after');
  }
});

test('what people write is left as it is: byte order marks, right to left, emoji, flags, colours [ATK-08]', () => {
  for (const text of [
    '\ufeffid,name',
    '\u05e9\u05dc\u05d5\u05dd \u200f(2)\u200f',
    '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466} \u2764\ufe0f',
    `\u{1f3f4}${tags('gbsct')}\u{e007f}`,
    'co\u00adop\u00ader\u00ada\u00adtion',
    '\u001b[31mred\u001b[0m \u001b[1;38m',
    '\u001b[38;5;8mgrey\u001b[0m',
    '\u001b[2K\rdone',
  ]) {
    assert.deepEqual(scanHidden(text), [], JSON.stringify(text));
  }
});

test('any text can be looked at, in linear time, and nothing is found in what is left [ATK-21]', () => {
  const odd = fc.constantFrom(
    '\u001b',
    '[',
    '8',
    'm',
    ';',
    ']',
    '\u0007',
    '\u200b',
    '\u{e0041}',
    '\u{1f3f4}',
    '\ufe0f',
    'a',
  );
  fc.assert(
    fc.property(fc.array(odd, { maxLength: 60 }), (parts) => {
      for (const { start, end } of scanHidden(parts.join(''))) assert.ok(start < end);
    }),
  );
  for (const { source, flags } of Object.values(HIDDEN)) {
    const { status } = checkSync(source.replace(/,\d{2,}\}/g, ',8}'), flags, { checker: 'automaton' });
    assert.equal(status, 'safe', source);
  }
});
