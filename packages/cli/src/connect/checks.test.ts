import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { LiveExpectations, LiveStatement } from '@cmcp/evidence';
import {
  AttestedGateway,
  Bridged,
  errorText,
  Front,
  keyOf,
  type Received,
  TOKEN,
} from '../../../../tests/support/attested-gateway.ts';
import { selfSigned } from '../../../../tests/support/certificate.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };
const PONG = { jsonrpc: '2.0', id: 1, result: {} };
const OTHER_HASH = `sha256:${'77'.repeat(32)}`;

const pong = ({ message, response }: Received): void => {
  const text = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: {} });
  response.writeHead(200, { 'content-type': 'application/json' }).end(text);
};

async function gatewayFor(t: TestContext): Promise<AttestedGateway> {
  const gateway = await AttestedGateway.start();
  t.after(() => gateway.close());
  gateway.onMcp = pong;
  return gateway;
}

/** Nothing but questions for an attestation came: no credential, no message, not a byte beside them. */
function assertNothingLeft(...fronts: Front[]): void {
  for (const connection of fronts.flatMap(({ received }) => received)) {
    const [head = '', ...rest] = connection.split('\r\n\r\n');
    assert.match(head, /^(?:GET \/\.well-known\/cmcp\/attestation\?nonce=[A-Za-z0-9_-]{43} HTTP\/1\.1\r\n.*)?$/s);
    assert.deepEqual(rest, head === '' ? [] : ['']);
    assert.ok(!/authorization/i.test(head) && !head.includes(TOKEN), head);
  }
}

/** A bridge whose first request is answered with a refusal that says `why`; it ends with 1. */
async function refused(url: URL, expectations: LiveExpectations, why: RegExp): Promise<void> {
  const bridge = new Bridged(url, expectations);
  const answer = await bridge.ask(PING);
  assert.match(errorText(answer), why);
  assert.equal(answer.id, 1);
  assert.equal(await bridge.end(), 1);
  assert.match(bridge.said.join('\n'), why);
}

test('a gateway that is the expected one is spoken to, and only after it was checked', async (t) => {
  const gateway = await gatewayFor(t);
  const bridge = new Bridged(gateway.front.url, gateway.expectations);
  assert.deepEqual(await bridge.ask(PING), PONG);
  assert.deepEqual(await bridge.ask({ ...PING, id: 'two' }), { ...PONG, id: 'two' });
  assert.equal(await bridge.end(), 0, bridge.said.join('\n'));
  const [check = '', ...traffic] = gateway.front.received;
  assert.match(check, /^GET \/\.well-known\/cmcp\/attestation\?nonce=[A-Za-z0-9_-]{43} /);
  assert.ok(!check.includes(TOKEN) && !check.includes('ping'));
  assert.ok(traffic.length > 0);
  for (const bytes of traffic) {
    assert.match(bytes, /^POST \/mcp /);
    assert.ok(bytes.includes(`authorization: Bearer ${TOKEN}`));
  }
  assert.equal(gateway.attested, 1);
});

test('a relay that terminates TLS is refused, and gets neither a message nor the credential', async (t) => {
  const gateway = await gatewayFor(t);
  const relay = await gateway.relay();
  t.after(() => relay.close());
  await refused(relay.url, gateway.expectations, /somebody stands between you and the gateway/);
  assert.equal(relay.received.length, 1);
  assertNothingLeft(relay, gateway.front);
});

const LIES: [string, (statement: LiveStatement) => Partial<LiveStatement>, RegExp][] = [
  ['another policy', () => ({ policy_hash: OTHER_HASH }), /policy/],
  ['another catalog', () => ({ catalog_hash: OTHER_HASH }), /catalog/],
  ['other code', () => ({ measurement: OTHER_HASH }), /gateway that was expected/],
  ['a mode that lets everything pass', () => ({ mode: 'advisory' }), /advisory/],
  ['another challenge', () => ({ nonce: 'A'.repeat(43) }), /another challenge/],
  ['a time long ago', ({ iat }) => ({ iat: iat - 301 }), /3\d\d s old/],
  ['a time to come', ({ iat }) => ({ iat: iat + 400 }), /in the future/],
];

for (const [name, lie, why] of LIES) {
  test(`a gateway that states ${name} is refused before anything is said to it`, async (t) => {
    const gateway = await gatewayFor(t);
    gateway.state = (truth) => ({ ...truth, ...lie(truth) });
    await refused(gateway.front.url, gateway.expectations, why);
    assertNothingLeft(gateway.front);
  });
}

test('a gateway under another key, or without hardware where that is not accepted, is refused', async (t) => {
  const gateway = await gatewayFor(t);
  const other = await gatewayFor(t);
  await refused(gateway.front.url, { ...gateway.expectations, keys: other.expectations.keys ?? [] }, /key/);
  await refused(gateway.front.url, { ...gateway.expectations, acceptSoftware: false }, /accept: software/);
  assertNothingLeft(gateway.front);
});

test('a document that answered another challenge is refused when it is replayed', async (t) => {
  const gateway = await gatewayFor(t);
  const old = await gateway.document(new URL(`http://gateway/?nonce=${'B'.repeat(42)}A`));
  gateway.attest = (_, response) => {
    response.writeHead(200).end(old);
    return true;
  };
  await refused(gateway.front.url, gateway.expectations, /another challenge/);
  assertNothingLeft(gateway.front);
});

test('what is no attestation is refused, and a redirect is not followed', async (t) => {
  const gateway = await gatewayFor(t);
  const elsewhere = await gatewayFor(t);
  for (const [status, body, why] of [
    [307, '', /redirect, which is not followed/],
    [404, '', /no attestation: HTTP 404/],
    [200, 'hello', /not strict JSON/],
    [200, '{}', /eat_profile/],
    [200, ' '.repeat(5_000_000), /too long/],
  ] as const) {
    gateway.attest = (_, response) => {
      response.writeHead(status, { location: elsewhere.front.url.href }).end(body);
      return true;
    };
    await refused(gateway.front.url, gateway.expectations, why);
  }
  assertNothingLeft(gateway.front);
  assert.deepEqual(elsewhere.front.received, []);
});

test('a redirect of a message is not followed either', async (t) => {
  const gateway = await gatewayFor(t);
  const elsewhere = await gatewayFor(t);
  gateway.onMcp = ({ response }) => response.writeHead(307, { location: elsewhere.front.url.href }).end();
  const bridge = new Bridged(gateway.front.url, gateway.expectations);
  assert.match(errorText(await bridge.ask(PING)), /HTTP 307, a redirect, which is not followed/);
  assert.equal(await bridge.end(), 0);
  assert.deepEqual(elsewhere.front.received, []);
});

test('a key that changes between the check and the next connection gets no byte, and is checked anew', async (t) => {
  const gateway = await gatewayFor(t);
  gateway.attest = () => {
    gateway.front.present(selfSigned('other'));
    return false;
  };
  await refused(gateway.front.url, gateway.expectations, /somebody stands between you and the gateway/);
  // The check, the connection that ended at the other key, and the check after it.
  assert.equal(gateway.front.accepted, 3);
  assert.equal(gateway.attested, 2);
  assertNothingLeft(gateway.front);
});

test('a gateway that has a new key and attests it is spoken to again', async (t) => {
  const gateway = await gatewayFor(t);
  const renewed = selfSigned('renewed');
  const bridge = new Bridged(gateway.front.url, gateway.expectations);
  assert.deepEqual(await bridge.ask(PING), PONG);
  gateway.state = (truth) => ({ ...truth, tls_spki: keyOf(renewed) });
  gateway.front.present(renewed);
  gateway.front.drop();
  assert.deepEqual(await bridge.ask({ ...PING, id: 2 }), { ...PONG, id: 2 });
  assert.match(bridge.said.join('\n'), /the TLS key of the gateway changed/);
  assert.equal(await bridge.end(), 0);
});

test('after a lost connection the gateway is checked again before the next message', async (t) => {
  const gateway = await gatewayFor(t);
  const bridge = new Bridged(gateway.front.url, gateway.expectations);
  await bridge.ask(PING);
  gateway.front.drop();
  await bridge.ask({ ...PING, id: 2 });
  assert.equal(gateway.attested, 2);
  const [, , check = '', traffic = ''] = gateway.front.received;
  assert.match(check, /^GET \/\.well-known/);
  assert.match(traffic, /^POST /);
  gateway.state = (truth) => ({ ...truth, policy_hash: OTHER_HASH });
  gateway.front.drop();
  const sent = gateway.front.received.length;
  assert.match(errorText(await bridge.ask({ ...PING, id: 3 })), /policy/);
  assert.equal(await bridge.end(), 1);
  const later = gateway.front.received.slice(sent);
  assert.ok(later.length > 0 && later.every((bytes) => bytes.startsWith('GET /.well-known')), later.join('\n'));
});

test('one connection that the other side ended is enough for another check, whatever else is open', async (t) => {
  const gateway = await gatewayFor(t);
  const held: Received[] = [];
  gateway.onMcp = (received) => void held.push(received);
  const bridge = new Bridged(gateway.front.url, gateway.expectations);
  for (const id of [1, 2]) bridge.send({ ...PING, id });
  while (held.length < 2) await turn();
  gateway.front.dropFirst();
  const lost = await bridge.next();
  assert.match(errorText(lost), /connection to the gateway was lost/);
  assert.equal(gateway.attested, 1);
  gateway.onMcp = pong;
  assert.deepEqual(await bridge.ask({ ...PING, id: 3 }), { ...PONG, id: 3 });
  assert.equal(gateway.attested, 2);
  for (const received of held) if (received.message.id !== lost.id) pong(received);
  await bridge.next();
  assert.equal(await bridge.end(), 0);
});

test('when no connection is left, by whomever it was ended, the next one is a reconnect', async (t) => {
  const gateway = await gatewayFor(t);
  let slow: ServerResponse | null = null;
  gateway.onMcp = ({ response }) => {
    slow = response;
  };
  const bridge = new Bridged(gateway.front.url, gateway.expectations);
  bridge.send({ ...PING, params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } } });
  while (slow === null) await turn();
  const closed = once(slow as ServerResponse, 'close');
  bridge.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
  await closed;
  gateway.onMcp = pong;
  assert.deepEqual(await bridge.ask({ ...PING, id: 2 }), { ...PONG, id: 2 });
  assert.equal(gateway.attested, 2);
  assert.equal(await bridge.end(), 0);
});

/** A gateway and a bridge whose time a test moves. */
async function timed(t: TestContext, more: { reverifyMs?: number } = {}) {
  const gateway = await gatewayFor(t);
  const time = new ManualTime();
  gateway.now = () => Math.floor(time.nowMicros() / 1_000_000);
  const bridge = new Bridged(gateway.front.url, gateway.expectations, { time, ...more });
  assert.deepEqual(await bridge.ask(PING), PONG);
  return { gateway, time, bridge };
}

/** Resolves when the gateway has attested itself so often. */
async function attested(gateway: AttestedGateway, times: number): Promise<void> {
  while (gateway.attested < times) await turn();
}

/** Resolves when only the connection for traffic is left: the answer to a check has been taken. */
async function checkOver(gateway: AttestedGateway): Promise<void> {
  while (gateway.front.open > 1) await turn();
  await turn();
}

test('the gateway is checked again before its evidence is out of date, and as often as was asked', async (t) => {
  for (const [more, ms] of [
    [{}, 240_000],
    [{ reverifyMs: 30_000 }, 30_000],
    [{ reverifyMs: 3_600_000 }, 240_000],
  ] as const) {
    const { gateway, time, bridge } = await timed(t, more);
    time.advance(ms - 1);
    await bridge.ask(PING);
    assert.equal(gateway.attested, 1);
    time.advance(1);
    await attested(gateway, 2);
    await bridge.ask(PING);
    time.advance(ms);
    await attested(gateway, 3);
    assert.equal(await bridge.end(), 0);
  }
});

test('when a later check is refused, requests that wait are answered with the reason and nothing more leaves', async (t) => {
  const { gateway, time, bridge } = await timed(t);
  const held: Received[] = [];
  gateway.onMcp = (received) => void held.push(received);
  bridge.send({ ...PING, id: 'waits' });
  while (held.length === 0) await turn();
  gateway.state = (truth) => ({ ...truth, catalog_hash: OTHER_HASH });
  const before = gateway.front.received.length;
  time.advance(240_000);
  const answer = await bridge.next();
  assert.equal(answer.id, 'waits');
  assert.match(errorText(answer), /catalog/);
  bridge.send({ ...PING, id: 'late' });
  assert.equal(await bridge.end(), 1);
  assert.match(bridge.said.at(-1) ?? '', /^refused: .*catalog.*Nothing more is forwarded/s);
  const later = gateway.front.received.slice(before);
  assert.equal(later.length, 1);
  assert.match(later[0] ?? '', /^GET \/\.well-known/);
});

test('new traffic waits while a check runs, and a gateway that is starting is asked again', async (t) => {
  const { gateway, time, bridge } = await timed(t);
  const waiting: (() => void)[] = [];
  let busy = 2;
  gateway.attest = (_, response) => {
    if (busy === 0) return false;
    busy -= 1;
    waiting.push(() => response.writeHead(busy === 1 ? 503 : 429).end());
    return true;
  };
  const before = gateway.front.bytes.length;
  time.advance(240_000);
  await attested(gateway, 2);
  bridge.send({ ...PING, id: 'held' });
  for (const pause of [500, 2_000]) {
    waiting.shift()?.();
    await checkOver(gateway);
    const asked = gateway.attested;
    time.advance(pause);
    await attested(gateway, asked + 1);
  }
  assert.deepEqual(await bridge.next(), { ...PONG, id: 'held' });
  const later = gateway.front.bytes.slice(before);
  assert.ok(later.lastIndexOf('GET /.well-known') < later.indexOf('POST '), later);
  assert.equal(await bridge.end(), 0);
});

test('evidence that runs out without another check takes its connections with it', async (t) => {
  const { gateway, time, bridge } = await timed(t);
  const held: Received[] = [];
  gateway.onMcp = (received) => void held.push(received);
  bridge.send({ ...PING, id: 'waits' });
  while (held.length === 0) await turn();
  gateway.attest = (_, response) => {
    response.writeHead(503).end();
    return true;
  };
  time.advance(240_000);
  for (const [pause, asked] of [
    [500, 2],
    [2_000, 3],
    [5_000, 4],
    [60_000 - 7_500, 5],
  ] as const) {
    await attested(gateway, asked);
    await checkOver(gateway);
    assert.equal(bridge.output.readableLength, 0);
    time.advance(pause);
  }
  const answer = await bridge.next();
  assert.match(errorText(answer), /connection to the gateway was lost/);
  assert.match(bridge.said.join('\n'), /could not be checked again in time/);
  assert.equal(await bridge.end(), 0);
});

test('a clock that goes back makes the next message wait for another check', async (t) => {
  const { gateway, time, bridge } = await timed(t);
  time.advance(-1);
  await bridge.ask({ ...PING, id: 2 });
  assert.equal(gateway.attested, 2);
  assert.equal(await bridge.end(), 0);
});

test('a gateway that is not there is said to be so, and ends the bridge', async (t) => {
  const gateway = await gatewayFor(t);
  const { url } = gateway.front;
  await gateway.front.close();
  const bridge = new Bridged(url, gateway.expectations);
  assert.match(errorText(await bridge.ask(PING)), /cannot be checked: .*ECONNREFUSED/);
  assert.equal(await bridge.end(), 1);
});

test('without TLS, a gateway on this machine is spoken to only when that and a software key are accepted', async (t) => {
  const gateway = await gatewayFor(t);
  gateway.state = (truth) => ({ ...truth, tls_spki: 'none' });
  await refused(gateway.plainUrl, gateway.expectations, /there is no TLS/);
  const bridge = new Bridged(gateway.plainUrl, { ...gateway.expectations, acceptNoTls: true });
  assert.deepEqual(await bridge.ask(PING), PONG);
  assert.equal(await bridge.end(), 0);
});

test('an authority can be asked for besides: its certificate is not enough, and without it nothing is', async (t) => {
  const gateway = await gatewayFor(t);
  const known = { authorities: [gateway.certificate.cert] };
  const trusted = new Bridged(gateway.front.url, gateway.expectations, known);
  assert.deepEqual(await trusted.ask(PING), PONG);
  assert.equal(await trusted.end(), 0);
  const sent = gateway.front.bytes;
  const unknown = { authorities: [selfSigned('another authority').cert] };
  const unknowing = new Bridged(gateway.front.url, gateway.expectations, unknown);
  assert.match(errorText(await unknowing.ask(PING)), /cannot be checked: .*certificate/);
  assert.equal(await unknowing.end(), 1);
  assert.equal(gateway.front.bytes, sent);
  gateway.state = (truth) => ({ ...truth, policy_hash: OTHER_HASH });
  const misled = new Bridged(gateway.front.url, gateway.expectations, known);
  assert.match(errorText(await misled.ask(PING)), /policy/);
  assert.equal(await misled.end(), 1);
});

test('a peer that speaks only TLS 1.2 could show another key later, and is not spoken to', async (t) => {
  const gateway = await gatewayFor(t);
  const old = await new Front(
    gateway.certificate,
    () => connectTcp(gateway.front.port, '127.0.0.1'),
    'TLSv1.2',
  ).listen();
  t.after(() => old.close());
  const bridge = new Bridged(old.url, gateway.expectations);
  assert.match(errorText(await bridge.ask(PING)), /cannot be checked: .*protocol version/);
  assert.equal(await bridge.end(), 1);
  assert.equal(old.bytes, '');
});

test('evidence that is out of date when it arrives covers nothing, and is not asked for without end', async (t) => {
  const gateway = await gatewayFor(t);
  const time = new ManualTime();
  // Just young enough to be verified, and over in that moment.
  gateway.now = () => Math.floor(time.nowMicros() / 1_000_000) - 300;
  const bridge = new Bridged(gateway.front.url, gateway.expectations, { time });
  assert.match(errorText(await bridge.ask(PING)), /no check of the gateway stays in date/);
  assert.equal(await bridge.end(), 1);
  assert.ok(gateway.attested <= 10, String(gateway.attested));
  assertNothingLeft(gateway.front);
});

test('a connection that is lost while a check runs makes another check necessary', async (t) => {
  const { gateway, time, bridge } = await timed(t);
  const held: (() => void)[] = [];
  const document = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await gateway.document(new URL(request.url ?? '', 'http://gateway'));
    held.push(() => response.writeHead(200).end(text));
  };
  gateway.attest = (request, response) => {
    if (gateway.attested > 2) return false;
    void document(request, response);
    return true;
  };
  time.advance(240_000);
  while (held.length === 0) await turn();
  gateway.front.dropFirst();
  while (gateway.front.open > 1) await turn();
  await turn();
  held[0]?.();
  bridge.send({ ...PING, id: 2 });
  assert.deepEqual(await bridge.next(), { ...PONG, id: 2 });
  assert.equal(gateway.attested, 3);
  assert.equal(await bridge.end(), 0);
});

test('a check that is not answered does not keep the bridge from ending', async (t) => {
  const gateway = await gatewayFor(t);
  let asked: ServerResponse | null = null;
  gateway.attest = (_, response) => {
    asked = response;
    return true;
  };
  const bridge = new Bridged(gateway.front.url, gateway.expectations, { time: new ManualTime() });
  await attested(gateway, 1);
  bridge.send(PING);
  const closed = once(asked as unknown as ServerResponse, 'close');
  assert.equal(await bridge.stop(), 0);
  await closed;
});
