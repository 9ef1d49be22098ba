import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { prettyJson } from './pretty-json.ts';

test('the pretty form is the same JSON, number lexemes included', () => {
  const lexemes = '{"a":1.0,"b":[12345678901234567890,-0,1e300,{}],"c":{"d":[]}}';
  assert.equal(stringifyJson(parseJson(prettyJson(parseJson(lexemes)))), lexemes);
  fc.assert(
    fc.property(fc.json(), (json) => {
      const value = parseJson(json);
      assert.equal(stringifyJson(parseJson(prettyJson(value))), stringifyJson(value));
    }),
  );
});
