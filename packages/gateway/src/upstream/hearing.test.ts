import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import { ABLE } from '../../../../tests/support/upstreams.ts';
import { readServerMessage } from '../mcp/client.ts';
import { EventLog } from './event-log.ts';
import { Hearing } from './hearing.ts';
import { RequestSide } from './request-side.ts';
import { Scope } from './scope.ts';

/** Somebody who hears what a server says of one request. */
function listener() {
  const { timers } = manualTimers();
  const log = new EventLog('s', () => {});
  const scope = new Scope(new AbortController().signal, 1000, timers);
  const sent: JsonObject[] = [];
  const request = {
    callId: 'c',
    method: 'tools/call' as const,
    params: {},
    inputSchema: null,
    maxBytes: null,
    trace: {},
    signal: new AbortController().signal,
    abilities: ABLE,
    wantsProgress: true,
    logLevel: 'debug' as const,
    onNotice: () => {},
    onAsk: async () => ({}),
    onUnoffered: async () => {},
    round: null,
  };
  const side = new RequestSide(request, ['elicit'], scope, timers, log);
  const hearing = new Hearing({ approved: ['elicit'], log, onListChanged: () => {}, onUpdated: () => {} });
  hearing.listenFor('c', side);
  const answering = {
    short: (message: JsonObject) => sent.push(message),
    full: (message: JsonObject) => sent.push(message),
  };
  return { hearing, side, answering, sent };
}

test('whatever a server says is heard or dropped, and every request of its gets at most one answer, under its own id', async () => {
  const methods = fc.constantFrom(
    ...[
      'notifications/progress',
      'notifications/message',
      'notifications/cancelled',
      'notifications/resources/updated',
    ],
    ...['notifications/tools/list_changed', 'ping', 'elicitation/create', 'sampling/createMessage', 'roots/list', 'x'],
  );
  const params = fc.dictionary(
    fc.constantFrom('progressToken', 'progress', 'level', 'data', 'requestId', 'uri', 'mode'),
    fc.oneof(fc.json(), fc.constantFrom('"c"', '1', '"debug"', '"url"')),
  );
  const ids = fc.option(fc.constantFrom('1', '"1"', '1.0', '1e2', 'null', '{}', '12345678901234567890'), { nil: null });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ method: methods, params, id: ids }), { maxLength: 12 }), async (messages) => {
      const { hearing, side, answering, sent } = listener();
      const asked: string[] = [];
      for (const { method, params: given, id } of messages) {
        const members = Object.entries(given).map(([key, text]) => `${JSON.stringify(key)}:${text}`);
        const text = `{"jsonrpc":"2.0","method":"${method}","params":{${members}}${id === null ? '' : `,"id":${id}`}}`;
        const message = readServerMessage(parseJson(text));
        assert.ok(message.kind !== 'response');
        if (message.kind === 'request') asked.push(stringifyJson(message.id));
        hearing.heard(message, side, answering);
      }
      await new Promise((resolve) => setImmediate(resolve));
      for (const { id = null } of sent) {
        const at = asked.indexOf(stringifyJson(id));
        assert.ok(at >= 0);
        asked.splice(at, 1);
      }
    }),
    { numRuns: 300 },
  );
});
