import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { readLogMessage, readProgress } from './server-notices.ts';

const json = (text: string): JsonObject => parseJson(text) as JsonObject;

test('progress may be a fraction, and what is malformed is no progress [MCP26-31]', () => {
  assert.deepEqual(readProgress(json('{"progress":0.25,"total":1e2,"message":"m"}')), {
    kind: 'progress',
    progress: 0.25,
    total: 100,
    message: 'm',
  });
  assert.deepEqual(readProgress({ progress: -3 }), { kind: 'progress', progress: -3, total: null, message: null });
  for (const text of [
    '{}',
    '{"progress":"1"}',
    '{"progress":null}',
    '{"progress":1,"total":"2"}',
    '{"progress":1,"total":null}',
    '{"progress":1,"message":2}',
  ]) {
    assert.equal(readProgress(json(text)), null, text);
  }
});

test('a log message has a known level and data of any kind [MCP26-31]', () => {
  const data = json('{"n":1.50}');
  assert.deepEqual(readLogMessage({ level: 'error', logger: 'db', data }), {
    kind: 'log',
    level: 'error',
    logger: 'db',
    data,
  });
  assert.deepEqual(readLogMessage({ level: 'info', data: null }), {
    kind: 'log',
    level: 'info',
    logger: null,
    data: null,
  });
  for (const text of [
    '{"data":1}',
    '{"level":"loud","data":1}',
    '{"level":"info"}',
    '{"level":"info","logger":1,"data":1}',
  ]) {
    assert.equal(readLogMessage(json(text)), null, text);
  }
});

test('any params are a notice or nothing', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('progress', 'total', 'message', 'level', 'logger', 'data'), fc.json()),
      (given) => {
        const params = Object.fromEntries(Object.entries(given).map(([key, text]) => [key, parseJson(text)]));
        const progress = readProgress(params);
        assert.ok(progress === null || Number.isFinite(progress.progress));
        const message = readLogMessage(params);
        assert.ok(message === null || message.kind === 'log');
      },
    ),
  );
});
