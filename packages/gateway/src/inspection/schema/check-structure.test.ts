import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, type JsonValue, parseJson, stringifyJson } from '@cmcp/evidence';
import { Place } from '../../catalog/fields.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import type { SchemaMode } from '../types.ts';
import { checkStructure, checkTaskStructure } from './check-structure.ts';
import { type Structure, Structures } from './structure.ts';

const STRUCTURES = new Structures(sensitivityRanks());

function structureOf(schema: JsonObject): Structure {
  return STRUCTURES.compile(schema, new Place('catalog.json'));
}

const TEXT = { type: 'string' };
const CUSTOMER = { type: 'object', properties: { id: { type: 'integer' }, name: TEXT }, required: ['id'] };

function checked(schema: JsonObject, structuredContent: JsonValue, mode: SchemaMode = 'redact', more: JsonObject = {}) {
  return checkStructure(structureOf(schema), { content: [], ...more, structuredContent }, mode);
}

function violationOf(schema: JsonObject, structured: JsonValue): string | null {
  return checked(schema, structured).violation;
}

test('structured content that fits passes as it came; what does not fit says where in the schema, in every mode [MCP26-37] [AISVS-10.4.1]', () => {
  for (const mode of ['strict', 'redact', 'log'] as const) {
    const fitting = { content: [], structuredContent: { id: 1, name: 'x' } };
    const passed = checkStructure(structureOf(CUSTOMER), fitting, mode);
    assert.equal(passed.result, fitting);
    assert.deepEqual([passed.surplus, passed.violation], [0, null]);
    const bad = checked(CUSTOMER, { id: 'CANARY' }, mode);
    assert.equal(bad.violation, '#/properties/id/type');
    assert.equal(checked(CUSTOMER, { name: 'CANARY' }, mode).violation, '#/required');
    assert.equal(checked(CUSTOMER, 'CANARY', mode).violation, '#/type');
  }
});

test('an answer without the structure is a violation, an error without it is none [MCP26-37]', () => {
  const structure = structureOf(CUSTOMER);
  assert.equal(checkStructure(structure, { content: [] }, 'log').violation, 'structuredContent is missing');
  assert.equal(
    checkStructure(structure, { content: [], isError: false }, 'log').violation,
    'structuredContent is missing',
  );
  assert.equal(checkStructure(structure, { content: [], isError: true }, 'strict').violation, null);
});

test('what an error carries instead of the structure is surplus as a whole, so that no error carries what a result may not', () => {
  const error = {
    content: [{ type: 'text', text: '{"b":"CANARY"}' }],
    isError: true,
    structuredContent: { b: 'CANARY' },
  };
  const structure = structureOf(CUSTOMER);
  assert.deepEqual(checkStructure(structure, error, 'redact'), {
    result: { content: [{ type: 'text', text: '{}' }], isError: true },
    surplus: 1,
    violation: null,
  });
  assert.deepEqual(checkStructure(structure, error, 'strict'), { result: error, surplus: 1, violation: null });
  assert.equal(checkStructure(structure, error, 'log').result, error);
  const fitting = { content: [], isError: true, structuredContent: { id: 1, x: 'CANARY' } };
  assert.deepEqual(checkStructure(structure, fitting, 'redact').result.structuredContent, { id: 1 });
});

test('members that the schema does not describe are dropped, counted or left, as the mode says', () => {
  const given = { id: 1, name: 'x', ssn: 'CANARY', more: { a: 1 } };
  const redacted = checked(CUSTOMER, given, 'redact');
  assert.deepEqual([redacted.result.structuredContent, redacted.surplus], [{ id: 1, name: 'x' }, 2]);
  for (const mode of ['strict', 'log'] as const) {
    const kept = checked(CUSTOMER, given, mode);
    assert.deepEqual([kept.result.structuredContent, kept.surplus, kept.violation], [given, 2, null]);
  }
});

test('a schema that forbids surplus members has them dropped, at any depth; an open object within keeps them', () => {
  const closed = { ...CUSTOMER, additionalProperties: false };
  const schema = { type: 'object', properties: { open: CUSTOMER, list: { type: 'array', items: closed } } };
  const given = { open: { id: 1, x: 'kept' }, list: [{ id: 2, x: 'CANARY' }, { id: 3 }], y: 'CANARY' };
  const { result, surplus, violation } = checked(schema, given);
  assert.deepEqual(result.structuredContent, { open: { id: 1, x: 'kept' }, list: [{ id: 2 }, { id: 3 }] });
  assert.deepEqual([surplus, violation], [2, null]);
  const unevaluated = {
    allOf: [{ properties: { a: TEXT } }, { properties: { b: TEXT } }],
    unevaluatedProperties: false,
  };
  assert.deepEqual(checked(unevaluated, { a: 'a', b: 'b', c: 'CANARY' }).result.structuredContent, { a: 'a', b: 'b' });
  assert.equal(checked({ ...CUSTOMER, additionalProperties: false }, given, 'log').surplus, 3);
});

test('what a schema describes by pattern, by alternative, by reference or in general is not surplus', () => {
  const given = { a: 'v' };
  const describing: JsonObject[] = [
    { patternProperties: { '^a$': TEXT } },
    {},
    { type: 'object' },
    { additionalProperties: true },
    { additionalProperties: {} },
    { additionalProperties: TEXT },
    { unevaluatedProperties: TEXT },
    { anyOf: [{ properties: { b: TEXT } }, { properties: { a: TEXT } }] },
    { $ref: '#/$defs/x', $defs: { x: { properties: { a: TEXT } } } },
    { $ref: '#here', $defs: { x: { $anchor: 'here', properties: { a: TEXT } } } },
    { $dynamicRef: '#here', $defs: { x: { $dynamicAnchor: 'here', properties: { a: TEXT } } } },
    { if: { properties: { a: TEXT } } },
    { dependentSchemas: { a: { properties: { a: TEXT } } } },
  ];
  for (const schema of describing) {
    const { result, violation } = checked(schema, given);
    assert.deepEqual([result.structuredContent, violation], [given, null], JSON.stringify(schema));
  }
  for (const schema of [
    { properties: { b: TEXT }, not: { properties: { a: TEXT }, required: ['b'] } },
    { patternProperties: { '^b': TEXT } },
  ])
    assert.deepEqual(checked(schema, given).result.structuredContent, {}, JSON.stringify(schema));
});

test('copies of what was left out go too, in whatever text or member they stand [G18] [DET-08]', () => {
  const list = {
    type: 'object',
    properties: { result: { type: 'array', items: { ...CUSTOMER, additionalProperties: false } } },
  };
  const structuredContent = { result: [{ id: 1, ssn: 'CANARY' }], other: 'CANARY' };
  const left = { result: [{ id: 1 }] };
  const texts = [
    JSON.stringify(structuredContent),
    JSON.stringify({ other: 'CANARY', result: [{ ssn: 'CANARY', id: 1 }] }, null, 2),
    JSON.stringify(structuredContent.result),
    JSON.stringify(structuredContent.result[0]),
    `{"result":[{"id":1,"ssn":"\\u0043ANARY"}],"other":"CANARY"}`,
    JSON.stringify(JSON.stringify(structuredContent)),
    JSON.stringify({ data: structuredContent }),
  ];
  const content = [
    ...texts.map((text) => ({ type: 'text', text })),
    { type: 'resource', resource: { uri: 'a:b', text: texts[0] ?? '' } },
  ];
  const checkedAnswer = checked(list, structuredContent, 'redact', { content, _meta: { copy: structuredContent } });
  assert.doesNotMatch(stringifyJson(checkedAnswer.result), /CANARY/);
  const [first, second, third] = checkedAnswer.result.content as JsonObject[];
  assert.deepEqual(first, { type: 'text', text: JSON.stringify(left) });
  assert.deepEqual(second, first);
  assert.deepEqual(third, { type: 'text', text: '[{"id":1}]' });
  assert.deepEqual(checkedAnswer.result._meta, { copy: left });
});

test('a copy may write its numbers otherwise', () => {
  const content = [{ type: 'text', text: '{"id":1,"x":15e-1}' }];
  const given = parseJson('{"id":1,"x":1.50}');
  assert.deepEqual(checked(CUSTOMER, given, 'redact', { content }).result.content, [
    { type: 'text', text: '{"id":1}' },
  ]);
});

test('a text that is no copy stays byte for byte', () => {
  const content = ['{ "id": 1 }', 'plain', '[1, 2]', '{"a":'].map((text) => ({ type: 'text', text }));
  assert.deepEqual(checked(CUSTOMER, { id: 1, x: 1 }, 'redact', { content }).result.content, content);
});

test('numbers beyond what a double carries, and with exponents, are numbers', () => {
  const given = (text: string) =>
    violationOf({ properties: { n: { type: 'integer', minimum: 2 } } }, parseJson(`{"n":${text}}`));
  for (const text of ['9007199254740993', '1e3', '2.0', '20E-1', '2']) assert.equal(given(text), null, text);
  for (const text of ['1.5', '-1e3', '-0', '1'.repeat(400)]) assert.notEqual(given(text), null, text);
  const cents = parseJson('{"properties":{"n":{"multipleOf":0.01}}}') as JsonObject;
  assert.equal(violationOf(cents, parseJson('{"n":4.35}')), null);
  assert.equal(violationOf(cents, parseJson('{"n":4.355}')), '#/properties/n/multipleOf');
});

test('members that are called like what every object inherits are only members', () => {
  const given = parseJson('{"__proto__":{"a":1},"constructor":1,"toString":"x"}');
  const schema = { type: 'object', properties: { toString: TEXT }, required: ['toString'] };
  assert.deepEqual(Object.keys(checked(schema, given).result.structuredContent as JsonObject), ['toString']);
  assert.equal(violationOf({ type: 'object', required: ['valueOf'] }, {}), '#/required');
  assert.equal(violationOf({ type: 'object', properties: { x: TEXT }, required: ['__proto__'] }, given), '#/required');
  const open = checked({ type: 'object', additionalProperties: TEXT }, given, 'log');
  assert.equal(open.violation, '#/additionalProperties/type');
});

test('the result of a task is held against the form of its tool [MCP26-37]', () => {
  const structure = structureOf(CUSTOMER);
  const task = { taskId: 't', status: 'completed', result: { content: [], structuredContent: { id: 1, x: 'CANARY' } } };
  assert.deepEqual(checkTaskStructure(structure, task, 'redact'), {
    result: { ...task, result: { content: [], structuredContent: { id: 1 } } },
    surplus: 1,
    violation: null,
  });
  assert.equal(
    checkTaskStructure(structure, { ...task, result: { content: [] } }, 'redact').violation,
    'structuredContent is missing',
  );
  const working = { taskId: 't', status: 'working' };
  assert.deepEqual(checkTaskStructure(structure, working, 'strict'), { result: working, surplus: 0, violation: null });
});
