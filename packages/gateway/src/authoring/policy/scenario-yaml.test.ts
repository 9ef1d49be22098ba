import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { catalogWith } from '../../../../../tests/support/catalog.ts';
import { GatewayError } from '../../errors.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import { placeIn, readYaml } from '../written.ts';
import { readInvariant, WHEN_MEMBERS } from './invariant.ts';
import { yamlItem } from './scenario-yaml.ts';
import { smallest } from './smallest.ts';

test('what is written as YAML reads back as it was', () => {
  const line = fc
    .string({ unit: fc.constantFrom('a', ' ', ':', '/', '-', '.', "'", '#', ',') })
    .map((end) => `a${end}`);
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    line,
    fc.constantFrom('no', 'Null', '0x10', '1e5', '~', '#a', '- a'),
  );
  const value = fc.letrec<{ any: unknown }>((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(text, tie('any'), { maxKeys: 3 }),
    ),
  })).any;
  fc.assert(
    fc.property(fc.dictionary(text, value, { minKeys: 1, maxKeys: 4 }), (written) => {
      const members = parseJson(JSON.stringify(written)) as JsonObject;
      const read = readYaml(yamlItem(members), 'a.yaml', 'POLICY_INVALID');
      assert.deepEqual(read.value, [members]);
    }),
    { numRuns: 200 },
  );
});

test('the smallest scenario lacks everything that is not needed, at every depth', () => {
  const scenario = {
    caller: 'a',
    session: { class: 'pii', in_flight: 1 },
    arguments: { list: ['x', 'long', 'y'], b: 'c' },
  };
  const still = (candidate: JsonObject) => {
    const { arguments: given } = candidate as { arguments?: { list?: string[] } };
    return 'caller' in candidate && (given?.list ?? []).includes('long');
  };
  assert.deepEqual(smallest(scenario, still), { caller: '', arguments: { list: ['long'] } });
});

/** Runs what may only fail by refusing. */
function refusing(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
  }
}

test('whatever the text, it is read as YAML or refused', () => {
  const piece = fc.constantFrom(
    'a',
    ': ',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    '"',
    '&x',
    '*x',
    '!!int',
    '#',
    '|',
    '?',
    '%',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (text) => {
        refusing(() => readYaml(text, 'a.yaml', 'POLICY_INVALID'));
      },
    ),
    { numRuns: 300 },
  );
});

test('an invariant of any shape is read or refused', () => {
  const vocabulary = { catalog: catalogWith({}), ranks: sensitivityRanks() };
  const when = fc.dictionary(
    fc.constantFrom(...WHEN_MEMBERS),
    fc.oneof(fc.jsonValue(), fc.constantFrom('pii', ['deny'])),
  );
  const invariant = fc.record({ name: fc.jsonValue(), never: fc.constantFrom('allow', ['deny'], 7, null), when });
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), invariant), (value) => {
      const read = parseJson(JSON.stringify(value));
      refusing(() => readInvariant(read, placeIn('a.yaml', 'POLICY_INVALID'), vocabulary));
    }),
    { numRuns: 300 },
  );
});
