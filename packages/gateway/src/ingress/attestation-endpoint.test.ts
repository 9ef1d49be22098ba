import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CMW_MEDIA_TYPE, encodeHex, LIVE_MEDIA_TYPE, type LiveDocument, readLiveDocument } from '@cmcp/evidence';
import { type Answered, errorOf, type Sent, send, serve } from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { answer as documentFor, statementOf } from '../../../evidence/src/testing/live.ts';
import { newKey } from '../../../evidence/src/testing/session.ts';
import type { AttestLive } from '../attestation/live.ts';
import { GatewayError } from '../errors.ts';
import { AttestationEndpoint } from './attestation-endpoint.ts';

const PATH = '/.well-known/cmcp/attestation';
const NONCE = new Uint8Array(32).fill(3);
const HEX = encodeHex(NONCE);
const BASE64URL = Buffer.from(NONCE).toString('base64url');

/** Answers challenges, and remembers them. */
async function attester(): Promise<{ attest: AttestLive; asked: string[] }> {
  const key = await newKey();
  const asked: string[] = [];
  const attest = (nonce: Uint8Array): Promise<LiveDocument> => {
    asked.push(encodeHex(nonce));
    return documentFor(key, statementOf(key, { nonce: Buffer.from(nonce).toString('base64url') }));
  };
  return { attest, asked };
}

const noHeaders = (): string[] => [];
const accepting = (type: string) => (name: string) => (name === 'accept' ? [type] : []);
const ask = (port: number, query: string, more: Partial<Sent> = {}): Promise<Answered> =>
  send(port, { method: 'GET', path: `${PATH}${query}`, credential: null, headers: { Accept: '*/*' }, ...more });
const refusedAs = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;

test('whoever may connect gets fresh evidence for a nonce, without a credential, as EAT or as a CMW record', async (t) => {
  const { attest, asked } = await attester();
  const { port } = await serve(t, { attest });
  for (const nonce of [HEX, BASE64URL]) {
    const plain = await ask(port, `?nonce=${nonce}`);
    assert.equal(plain.status, 200);
    assert.equal(plain.headers['content-type'], LIVE_MEDIA_TYPE);
    assert.equal(plain.headers['cache-control'], 'no-store');
    assert.equal(readLiveDocument(plain.text).statement.nonce, BASE64URL);
  }
  const wrapped = await ask(port, `?nonce=${HEX}`, { headers: { Accept: CMW_MEDIA_TYPE } });
  assert.equal(wrapped.headers['content-type'], CMW_MEDIA_TYPE);
  assert.equal(JSON.parse(wrapped.text)[0], LIVE_MEDIA_TYPE);
  assert.equal(readLiveDocument(wrapped.text).statement.nonce, BASE64URL);
  assert.deepEqual(asked, [HEX, HEX, HEX]);
});

test('only a nonce of 16 to 64 bytes is answered, and only to who is allowed to ask', async (t) => {
  const { attest, asked } = await attester();
  const { port, faults } = await serve(t, { attest });
  const refused = async (query: string, status: number, code: string, more: Partial<Sent> = {}): Promise<void> => {
    const answer = await ask(port, query, more);
    assert.deepEqual([answer.status, errorOf(answer).data.error_code], [status, code], query);
  };
  const short = Buffer.alloc(15).toString('base64url');
  const long = Buffer.alloc(65).toString('base64url');
  for (const query of ['', '?', '?nonce', '?nonce=', `?nonce=${short}`, `?nonce=${long}`, `?nonce=${HEX}${HEX}00`]) {
    await refused(query, 400, 'INVALID_REQUEST');
  }
  for (const query of [`?nonce=${HEX}&x=1`, `?nonce=${HEX}&nonce=${HEX}`, `?Nonce=${HEX}`, `?nonce=${BASE64URL}=`]) {
    await refused(query, 400, 'INVALID_REQUEST');
  }
  await refused(`?nonce=${HEX}`, 403, 'HOST_REFUSED', { headers: { Host: 'evil.example' } });
  await refused(`?nonce=${HEX}`, 403, 'ORIGIN_REFUSED', { headers: { Origin: 'https://evil.example' } });
  await refused(`?nonce=${HEX}`, 406, 'NOT_ACCEPTABLE', { headers: { Accept: 'text/html' } });
  await refused(`?nonce=${HEX}`, 404, 'ROUTE_NOT_FOUND', { method: 'POST' });
  await refused(`/more?nonce=${HEX}`, 404, 'ROUTE_NOT_FOUND');
  assert.deepEqual(asked, []);
  assert.deepEqual(faults, []);
});

test('when the platform gives no evidence, the caller is told so and nothing of why', async (t) => {
  const attest = () => Promise.reject(new GatewayError('ATTESTATION_FAILED', 'the device is on fire'));
  const { port } = await serve(t, { attest });
  const answer = await ask(port, `?nonce=${HEX}`);
  assert.deepEqual([answer.status, errorOf(answer).data.error_code], [503, 'ATTESTATION_FAILED']);
  assert.ok(!answer.text.includes('fire'));
  assert.equal((await ask(port, `?nonce=${HEX}`)).status, 503, 'a failure is not the end of it');
});

test('one address may ask 60 times a minute, and all together 600 times', async () => {
  const { attest, asked } = await attester();
  const time = new ManualTime();
  const endpoint = new AttestationEndpoint(attest, time);
  const once = (address: string) => endpoint.answer({ address, query: `nonce=${HEX}`, headers: noHeaders });
  for (let i = 0; i < 60; i++) await once('192.0.2.1');
  await assert.rejects(once('192.0.2.1'), refusedAs('RATE_LIMITED'));
  for (let i = 0; i < 540; i++) await once(`2001:db8:0:${i.toString(16)}::1`);
  await assert.rejects(once('192.0.2.2'), refusedAs('OVERLOADED'));
  assert.equal(asked.length, 600);
  time.advance(60_000);
  await once('192.0.2.1');
});

test('a caller that asks too often is told when to come back', async (t) => {
  const { attest } = await attester();
  const { port } = await serve(t, { attest, clock: new ManualTime() });
  for (let i = 0; i < 60; i++) assert.equal((await ask(port, `?nonce=${HEX}`)).status, 200);
  const answer = await ask(port, `?nonce=${HEX}`);
  assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '60']);
});

interface Held {
  endpoint: AttestationEndpoint;
  letGo: () => void;
  running: () => number;
  most: () => number;
  asked: string[];
}

/** An endpoint whose device waits until it is let go. */
async function held(t: TestContext): Promise<Held> {
  const { attest, asked } = await attester();
  const gate = Promise.withResolvers<void>();
  t.after(() => gate.resolve());
  let [running, most] = [0, 0];
  const endpoint = new AttestationEndpoint(async (nonce) => {
    most = Math.max(most, ++running);
    await gate.promise;
    running -= 1;
    return attest(nonce);
  }, new ManualTime());
  return { endpoint, letGo: gate.resolve, running: () => running, most: () => most, asked };
}

const challenge = (i: number) => ({
  address: `192.0.2.${i}`,
  query: `nonce=${i.toString(16).padStart(32, '0')}`,
  headers: accepting('application/json'),
});

test('challenges are answered one at a time, and beyond 32 that wait the next is refused at once', async (t) => {
  const { endpoint, letGo, most, asked } = await held(t);
  const waiting = Array.from({ length: 32 }, (_, i) => endpoint.answer(challenge(i)));
  await assert.rejects(endpoint.answer(challenge(99)), refusedAs('OVERLOADED'));
  letGo();
  const answers = await Promise.all(waiting);
  assert.equal(new Set(answers.map(({ text }) => readLiveDocument(text).statement.nonce)).size, 32);
  assert.equal(most(), 1);
  assert.equal(asked.length, 32);
  await endpoint.answer(challenge(99));
});

test('the same challenge at the same time is one question to the device, later it is another', async (t) => {
  const { endpoint, letGo, asked } = await held(t);
  const twice = [endpoint.answer(challenge(1)), endpoint.answer({ ...challenge(1), address: '192.0.2.2' })];
  letGo();
  const [one, other] = await Promise.all(twice);
  assert.deepEqual(one, other);
  assert.equal(asked.length, 1);
  await endpoint.answer(challenge(1));
  assert.equal(asked.length, 2);
});
