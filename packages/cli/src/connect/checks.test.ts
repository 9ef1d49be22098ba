import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AttestedGateway, Bridged, errorText, TOKEN } from '../../../../tests/support/attested-gateway.ts';

const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };

async function gatewayFor(t: TestContext): Promise<AttestedGateway> {
  const gateway = await AttestedGateway.start();
  t.after(() => gateway.close());
  gateway.onMcp = ({ message, response }) =>
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: {} }));
  return gateway;
}

test('a gateway that is the expected one is spoken to, and only after it was checked', async (t) => {
  const gateway = await gatewayFor(t);
  const bridge = new Bridged(gateway.front.url, gateway.expectations);
  assert.deepEqual(await bridge.ask(PING), { jsonrpc: '2.0', id: 1, result: {} });
  assert.equal(await bridge.end(), 0, bridge.said.join('\n'));
  assert.match(gateway.front.received[0] ?? '', /^GET \/\.well-known\/cmcp\/attestation\?nonce=[A-Za-z0-9_-]{43} /);
  assert.ok(!gateway.front.received[0]?.includes(TOKEN));
  assert.match(gateway.front.received[1] ?? '', /^POST \/mcp /);
  assert.ok(gateway.front.received[1]?.includes(`Bearer ${TOKEN}`));
});

test('a TLS-terminating relay is refused', async (t) => {
  const gateway = await gatewayFor(t);
  const relay = await gateway.relay();
  t.after(() => relay.close());
  const bridge = new Bridged(relay.url, gateway.expectations);
  const answer = await bridge.ask(PING);
  assert.match(errorText(answer), /somebody stands between/);
  assert.equal(await bridge.end(), 1);
  assert.ok(
    !relay.bytes.includes('ping') && !relay.bytes.includes(TOKEN) && !relay.bytes.includes('POST'),
    relay.bytes,
  );
});
