import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkSync } from 'recheck';
import { blank, drawn, SECRETS } from '../../../../../tests/support/detector-examples.ts';
import { card, grouped, iban, mail, ssn } from '../../../../../tests/support/detector-values.ts';
import { longestMatch } from '../../../../../tests/support/pattern-length.ts';
import { SLICE, slices } from '../slices.ts';
import { MATCH_SPAN, type TextFinding } from '../types.ts';
import { DETECTORS_DESCRIPTION } from './description.ts';
import { CONTEXT_REACH, GLUE_REACH, type ValueRule } from './rule.ts';
import { VALUE_RULES } from './rules.ts';
import { scanValues, valueScan } from './scan-values.ts';

const spans = (text: string, rule: string): string[] =>
  scanValues(text)
    .filter((finding) => finding.rule === rule)
    .map(({ start, end }) => text.slice(start, end));

/** What stands around a value: prose, JSON, code, other scripts; nothing that goes on in it. */
const before = fc.constantFrom('', 'see ', '{"v":"', '\n', '値は', '<td>', 'x = ', '(', '😀 ');
const after = fc.constantFrom('', ' and more', '"}', '\n', 'です', '</td>', ';', ')', ' 😀', ', ');

describe('scanning for values', () => {
  it('finds a value in any surroundings, and its span is the value', () => {
    const signs = fc.constantFrom('', ' ', '-');
    const values: readonly (readonly [string, fc.Arbitrary<string>])[] = [
      ['payment-card-number', card],
      [
        'payment-card-number',
        fc
          .tuple(
            card.filter((one) => one.length === 16),
            signs,
          )
          .map(([one, sign]) => grouped(one, sign)),
      ],
      ['iban', fc.tuple(iban, fc.constantFrom('', ' ')).map(([one, sign]) => grouped(one, sign))],
      ['us-ssn', ssn],
      ['email-address', mail],
    ];
    for (const [rule, value] of values) {
      fc.assert(
        fc.property(before, value, after, (head, one, tail) => {
          assert.deepEqual(spans(`${head}${one}${tail}`, rule), [one]);
        }),
        { numRuns: 300 },
      );
    }
  });

  it('finds nobody’s number in digests, UUIDs and signatures, and an account that is glued to a word all the same [D-31]', () => {
    for (let n = 0; n < 5_000; n += 1) {
      const bytes = createHash('sha512').update(`${n}`).digest();
      const hex = bytes.toString('hex');
      const uuid = [8, 12, 16, 20].reduce(
        (text, at, index) => `${text.slice(0, at + index)}-${text.slice(at + index)}`,
        hex.slice(0, 32),
      );
      const text = JSON.stringify({
        key_id: hex.slice(0, 64),
        commit: hex.slice(64, 104),
        id: uuid,
        sig: bytes.toString('base64url'),
      });
      assert.deepEqual([...spans(text, 'iban'), ...spans(text, 'payment-card-number')], [], text);
    }
    for (const text of ['accountDE89370400440532013000', 'xde89370400440532013000', 'DE89370400440532013000x'])
      assert.equal(spans(text, 'iban').length, 1, text);
  });

  it('does not find a card, an account or a number whose check digit is another', () => {
    const kinds = [
      ['payment-card-number', card],
      ['iban', iban],
    ] as const;
    for (const [rule, right] of kinds) {
      const wrong = fc.tuple(right, fc.integer({ min: 1, max: 9 })).map(([value, by]) => {
        return `${value.slice(0, -1)}${(Number(value.at(-1)) + by) % 10}`;
      });
      fc.assert(fc.property(wrong, (value) => assert.deepEqual(spans(value, rule), [])));
    }
  });

  it('never throws, and every finding lies in the text', () => {
    const examples = Object.values(SECRETS).map((written) => written(drawn(9)));
    const parts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        ...examples,
        ...VALUE_RULES.flatMap(({ trigger }) => ('anchors' in trigger ? trigger.anchors : [])),
      ),
      fc.stringMatching(/^[0-9 .()+/-]{1,40}$/),
      fc.nat().map(String),
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), (all) => {
        const text = all.join('');
        for (const { start, end, rule } of scanValues(text))
          assert.ok(0 <= start && start < end && end <= text.length, rule);
      }),
      { numRuns: 2000 },
    );
  });

  it('finds in slices what it finds in the whole', () => {
    const secrets = Object.values(SECRETS);
    const part = fc.oneof(
      fc
        .tuple(fc.nat({ max: secrets.length - 1 }), fc.nat({ max: 50 }))
        .map(([which, seed]) => secrets[which]?.(drawn(seed)) ?? ''),
      card,
      iban,
      mail,
      fc.constantFrom('Phone: 044 668 18 00', 'born 1/2/1980', '81.2.69.142', 'AKIA', '-----BEGIN ', 'curl -u a:'),
    );
    const gap = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: SLICE }));
    fc.assert(
      fc.property(fc.array(fc.tuple(gap, part), { minLength: 4, maxLength: 12 }), (parts) => {
        const text = parts.map(([length, value]) => `${'so it is, '.repeat(length / 10)}\n${value} `).join('');
        assert.deepEqual(inSlices(text), ordered(scanValues(text)));
      }),
      { numRuns: 60 },
    );
  });

  it('gives no rule more than a match that slices hold, with what is said around it', () => {
    const reach = ({ before, unless, context }: ValueRule): number =>
      Math.max(before?.reach ?? 0, unless?.reach ?? 0, context === undefined ? 0 : CONTEXT_REACH);
    for (const rule of VALUE_RULES) {
      const length = longestMatch(rule.pattern) + reach(rule) + (rule.glued ? GLUE_REACH : 0);
      assert.ok(length <= MATCH_SPAN, `${rule.id}: ${length}, ${rule.pattern}`);
    }
  });

  it('has patterns of linear time alone [D-30]', () => {
    for (const { id, pattern, context, before, unless } of VALUE_RULES) {
      for (const one of [pattern, context, before?.words, unless?.words]) {
        if (one === undefined) continue;
        const { status } = checkSync(one.source, one.flags.replace(/[dy]/g, ''), { checker: 'automaton' });
        assert.equal(status, 'safe', `${id}: ${one}`);
      }
    }
  });

  it('has rules with a sticky pattern, and says what each finds', () => {
    for (const { id, what, pattern } of VALUE_RULES) {
      assert.ok(pattern.sticky && !pattern.global, id);
      assert.equal(pattern.hasIndices, pattern.source.includes('(?<value>'), id);
      assert.match(id, /^[a-z0-9]+(?:-[a-z0-9]+)*$/);
      assert.ok(what.length > 3, id);
    }
    const described = DETECTORS_DESCRIPTION.rules as readonly unknown[];
    assert.equal(new Set(described.map((one) => JSON.stringify(one))).size, VALUE_RULES.length);
  });

  it('refuses a rule whose literal it could not look for', () => {
    for (const literal of ['ab', 'näh', 'a^b']) {
      const rule: ValueRule = { id: 'x', kind: 'secret', what: 'x', trigger: { anchors: [literal] }, pattern: /x/y };
      assert.throws(() => valueScan([rule]), RangeError, literal);
    }
  });

  it('finds nothing in prose and in what stands for values', () => {
    const prose =
      'On 12 May 2024 the team of 14 closed 340 tickets (12.5 % more than in 2023), version 2.10.3 went out at 10:30:00, ' +
      'and the password policy, the API key page and the token list got new words. Order 20240512-0001 ships 3 to 5 days later.';
    assert.deepEqual(scanValues(prose), []);
    for (const written of Object.values(SECRETS)) {
      assert.deepEqual(
        scanValues(written(blank)).filter(({ kind }) => kind === 'secret'),
        [],
        written(blank),
      );
    }
  });
});

function inSlices(text: string): TextFinding[] {
  return ordered(
    [...slices(text)].flatMap(({ text: part, at, from, to }) =>
      scanValues(part)
        .filter(({ start }) => start >= from && start < to)
        .map((finding) => ({ ...finding, start: finding.start + at, end: finding.end + at })),
    ),
  );
}

function ordered(findings: readonly TextFinding[]): TextFinding[] {
  return findings.toSorted((a, b) => a.start - b.start || a.end - b.end || a.rule.localeCompare(b.rule));
}
