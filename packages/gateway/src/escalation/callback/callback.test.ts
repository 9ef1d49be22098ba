import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { encodeUtf8, type JsonObject, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { GatewayError } from '../../errors.ts';
import type { Received } from '../../operator/route.ts';
import type { HttpHandlers } from '../../upstream/http-endpoint.ts';
import type { ApprovalRequest, Verdict } from '../types.ts';
import { ApprovalCallback } from './callback.ts';
import { readAnswer } from './message.ts';
import { WebhookSecret } from './signature.ts';

const ID = '7d0a4f0e-1111-4222-8333-444455556666';
const KEY = randomBytes(32);
const SECRET = `whsec_${KEY.toString('base64')}`;

interface Sent {
  fields: Record<string, string>;
  body: string;
  handlers: HttpHandlers;
}

/** A callback whose service a test plays. */
function bed(sendArguments = false) {
  const time = new ManualTime();
  const sent: Sent[] = [];
  const verdicts: [string, Verdict][] = [];
  const reports: string[] = [];
  let ids = 0;
  const callback = new ApprovalCallback({
    settings: { url: 'https://risk.example/', name: 'risk', secretFile: '', timeoutMs: 5000, sendArguments },
    secret: new WebhookSecret(SECRET),
    endpoint: {
      send(_, fields, body, handlers) {
        sent.push({ fields: Object.fromEntries(fields), body: body ?? '', handlers });
        return { sent: true, abort() {}, pause() {}, resume() {} };
      },
      close: async () => {},
    },
    desk: { answer: async (id, verdict) => void verdicts.push([id, verdict]) },
    approversOf: (name) => (name === 'risk' ? ['risk-team'] : []),
    clock: time,
    timers: time,
    newId: () => {
      ids += 1;
      return `msg-${ids}`;
    },
    report: (_, detail) => reports.push(detail),
  });
  const request = {
    id: ID,
    binding: { approval_id: ID, tool: 'pay' },
    arguments: { amount: 5 },
    expiresMicros: time.nowMicros() + 60e6,
  } as unknown as ApprovalRequest;
  const seconds = (): number => time.nowMicros() / 1e6;
  return { time, sent, verdicts, reports, callback, request, seconds };
}

const ANSWER: JsonObject = { approval_id: ID, verdict: 'granted', reason: 'low risk' };
const answer = (data: JsonObject = ANSWER): string => stringifyJson({ type: 'approval.answered', data });

function signed(body: string, at: number, id = 'answer-1', key = KEY): Record<string, string> {
  const mac = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': `v1,${mac}` };
}

const received = (body: string, fields: Record<string, string>): Received => ({
  bytes: encodeUtf8(body),
  field: (name) => fields[name] ?? null,
});
const coded = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

test('a request is signed as Standard Webhooks says, and holds the arguments only where they are to be sent [AARM-R4]', () => {
  for (const withArguments of [false, true]) {
    const { callback, request, sent, seconds } = bed(withArguments);
    callback.deliver(request);
    const [{ fields = {}, body = '' } = {}] = sent;
    const { 'webhook-signature': signature } = signed(body, seconds(), fields['webhook-id']);
    assert.equal(fields['webhook-signature'], signature);
    assert.equal(fields['webhook-timestamp'], String(seconds()));
    const data = { binding: request.binding, ...(withArguments && { arguments: { amount: 5 } }) };
    assert.deepEqual(JSON.parse(body), { type: 'approval.requested', data });
  }
});

test('a signed answer is a verdict in the name of the callback, whenever it comes', async () => {
  const { callback, verdicts, seconds } = bed();
  const body = answer();
  await callback.receive(ID, received(body, signed(body, seconds())));
  const given = { approved: true, by: 'risk', approvers: ['risk-team'], channel: 'callback', reason: 'low risk' };
  assert.deepEqual(verdicts, [[ID, { ...given, signature: null }]]);
});

test('the response to a request may be the answer; an empty one says that it comes later', async () => {
  const { callback, request, sent, verdicts, seconds } = bed();
  const body = answer({ ...ANSWER, verdict: 'refused' });
  for (const [status, text] of [
    [204, ''],
    [200, body],
  ] as const) {
    callback.deliver(request);
    const { handlers } = sent.at(-1) ?? {};
    handlers?.head(status, signed(body, seconds()));
    if (text !== '') handlers?.data(Buffer.from(text));
    handlers?.end();
  }
  await until(() => verdicts.length > 0);
  assert.deepEqual(
    verdicts.map(([, { approved }]) => approved),
    [false],
  );
});

test('an answer that is not signed with the secret, of another time, or sent again is nobody’s [G26]', async () => {
  const { callback, verdicts, seconds, request, sent } = bed();
  const body = answer();
  const now = seconds();
  const good = signed(body, now);
  const wrong: Record<string, string>[] = [
    {},
    signed(body, now, 'answer-1', randomBytes(32)),
    signed(answer({ ...ANSWER, verdict: 'refused' }), now),
    { ...good, 'webhook-id': 'answer-2' },
    { ...good, 'webhook-timestamp': String(now + 1) },
    { ...good, 'webhook-signature': good['webhook-signature']?.replace('v1,', 'v2,') ?? '' },
    { ...good, 'webhook-signature': '' },
    signed(body, now - 301),
    signed(body, now + 301),
  ];
  const taken = (fields: Record<string, string>) => callback.receive(ID, received(body, fields));
  for (const fields of wrong) await assert.rejects(taken(fields), coded('UNAUTHENTICATED'));
  await taken({ ...good, 'webhook-signature': `v1,AAAA ${good['webhook-signature']}` });
  await assert.rejects(taken(good), coded('UNAUTHENTICATED'));
  // What the gateway itself signed is no answer.
  callback.deliver(request);
  const [{ fields = {}, body: own = '' } = {}] = sent;
  await assert.rejects(callback.receive(ID, received(own, fields)), coded('INVALID_PARAMS'));
  assert.equal(verdicts.length, 1);
});

test('an answer is about the approval that it is posted to, and is nothing but an answer', async () => {
  const { callback, verdicts, seconds } = bed();
  const other = answer({ ...ANSWER, approval_id: '00000000-1111-4222-8333-444455556666' });
  await assert.rejects(callback.receive(ID, received(other, signed(other, seconds()))), coded('INVALID_PARAMS'));
  assert.deepEqual(verdicts, []);
  for (const [name, value] of Object.entries({ verdict: 'yes', reason: '', approval_id: 5, extra: 1 })) {
    assert.throws(() => readAnswer(encodeUtf8(answer({ ...ANSWER, [name]: value }))), coded('INVALID_PARAMS'), name);
  }
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.throws(
        () => readAnswer(encodeUtf8(JSON.stringify({ type: 'approval.answered', data: value }))),
        GatewayError,
      );
    }),
    { numRuns: 60 },
  );
});

test('a request that is not taken is delivered again, less and less often, and never after it expired', async () => {
  const { callback, request, sent, time, reports } = bed();
  callback.deliver(request);
  for (const wait of [1_000, 5_000, 25_000]) {
    const { handlers } = sent.at(-1) ?? {};
    handlers?.head(503, {});
    const before = sent.length;
    await until(() => reports.length === before);
    time.advance(wait - 1);
    assert.equal(sent.length, before);
    time.advance(1);
    assert.equal(sent.length, before + 1);
  }
  sent.at(-1)?.handlers.fail(new Error('no route'), false);
  await until(() => reports.length === 4);
  assert.match(reports[0] ?? '', /it answered with status 503/);
  assert.equal(time.waiting, 0);
});

test('an answer that is not acceptable is reported, and the request is not sent again', async () => {
  const { callback, request, sent, time, reports, verdicts } = bed();
  callback.deliver(request);
  const { handlers } = sent[0] ?? {};
  handlers?.head(200, {});
  handlers?.data(Buffer.from(answer()));
  handlers?.end();
  await until(() => reports.length === 1);
  assert.match(reports[0] ?? '', /is not signed/);
  assert.deepEqual([time.waiting, verdicts.length], [0, 0]);
});

test('a secret is whsec_ and base64 of 24 to 64 bytes, and is not repeated where it is refused', () => {
  for (const text of [
    '',
    SECRET.slice(6),
    'whsec_',
    `whsec_${'A'.repeat(28)}`,
    `${SECRET}=`,
    `whsec_${'A'.repeat(200)}`,
  ]) {
    assert.throws(
      () => new WebhookSecret(text),
      (error) =>
        error instanceof GatewayError &&
        error.code === 'CONFIG_INVALID' &&
        !error.message.includes(KEY.toString('base64')),
      text,
    );
  }
});
