/** Messages whose end can be read in more than one way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALICE, raw, serve } from '../../../../tests/support/ingress.ts';
import { FramingWatch } from './framing.ts';

const PING = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
const SIZE = PING.length.toString(16);
const START = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${ALICE}\r\nContent-Type: application/json\r\n`;
const CHUNKED = `${START}Transfer-Encoding: chunked\r\n`;
const LAST = 'Connection: close\r\n';

test('chunked bodies without anything else are read, in whatever pieces they come', async (t) => {
  const { port, gateway } = await serve(t);
  const [head, tail] = [PING.slice(0, 10), PING.slice(10)];
  const chunks = `A\r\n${head}\r\n${tail.length.toString(16).toUpperCase()}\r\n${tail}\r\n0\r\n\r\n`;
  assert.match(await raw(port, `${CHUNKED}${LAST}\r\n${chunks}`), /^HTTP\/1\.1 200 [\s\S]*"result":\{\}/);
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  const answered = once(socket, 'data');
  for (const byte of `${CHUNKED}${LAST}\r\n${chunks}`) socket.write(byte);
  assert.match(String((await answered)[0]), /^HTTP\/1\.1 200 /);
  socket.destroy();
  assert.equal(gateway.counts.get('pinged'), 2);
});

test('chunk extensions, trailers, and codings besides chunked are answered with 400 and a closed connection [ATK-17]', async (t) => {
  const { port, gateway } = await serve(t);
  const bodies: Record<string, string> = {
    'an extension': `${CHUNKED}\r\n${SIZE};a=b\r\n${PING}\r\n0\r\n\r\n`,
    'an extension without a name': `${CHUNKED}\r\n${SIZE};\r\n${PING}\r\n0\r\n\r\n`,
    'an extension of the last chunk': `${CHUNKED}\r\n${SIZE}\r\n${PING}\r\n0;a\r\n\r\n`,
    'a trailer': `${CHUNKED}\r\n${SIZE}\r\n${PING}\r\n0\r\nX-Late: 1\r\n\r\n`,
    'a trailer that is announced': `${CHUNKED}Trailer: Authorization\r\n\r\n${SIZE}\r\n${PING}\r\n0\r\nAuthorization: ${ALICE}\r\n\r\n`,
    'another coding before': `${START}Transfer-Encoding: gzip, chunked\r\n\r\n${SIZE}\r\n${PING}\r\n0\r\n\r\n`,
    'chunked twice': `${START}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${SIZE}\r\n${PING}\r\n0\r\n\r\n`,
    identity: `${START}Transfer-Encoding: identity\r\nContent-Length: ${PING.length}\r\n\r\n${PING}`,
    'a bare line feed after a size': `${CHUNKED}\r\n${SIZE}\n${PING}\r\n0\r\n\r\n`,
    'a space after a size': `${CHUNKED}\r\n${SIZE} \r\n${PING}\r\n0\r\n\r\n`,
    'a sign before a size': `${CHUNKED}\r\n+${SIZE}\r\n${PING}\r\n0\r\n\r\n`,
    'a size in hexadecimal notation': `${CHUNKED}\r\n0x${SIZE}\r\n${PING}\r\n0\r\n\r\n`,
    'a size that is no number of this world': `${CHUNKED}\r\n${'f'.repeat(32)}\r\n${PING}\r\n0\r\n\r\n`,
    'a length with a sign': `${START}Content-Length: +${PING.length}\r\n\r\n${PING}`,
    'a length in a list': `${START}Content-Length: ${PING.length}, ${PING.length}\r\n\r\n${PING}`,
    'the same length twice': `${START}Content-Length: ${PING.length}\r\nContent-Length: ${PING.length}\r\n\r\n${PING}`,
    'a folded length': `${START}Content-Length:\r\n ${PING.length}\r\n\r\n${PING}`,
    'a folded coding': `${START}Transfer-Encoding:\r\n chunked\r\n\r\n${SIZE}\r\n${PING}\r\n0\r\n\r\n`,
    'a tab before the colon': `${START}Transfer-Encoding\t: chunked\r\nContent-Length: ${PING.length}\r\n\r\n${PING}`,
  };
  for (const [name, text] of Object.entries(bodies)) {
    const answer = await raw(port, text);
    assert.match(answer, /^HTTP\/1\.1 4(?:00|13) /, name);
    assert.match(answer, /connection: close/i, name);
  }
  const get = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n';
  assert.match(await raw(port, get), /^HTTP\/1\.1 400 /, 'a body that nobody reads');
  assert.equal(gateway.counts.get('pinged'), undefined);
});

test('what came behind an ambiguous message is not read, nor what was sent with one [ATK-17]', async (t) => {
  const { port, gateway } = await serve(t);
  const plain = `${START}Content-Length: ${PING.length}\r\n\r\n${PING}`;
  const odd = `${CHUNKED}\r\n${SIZE};a\r\n${PING}\r\n0\r\n\r\n`;
  for (const text of [odd + plain, odd + odd])
    assert.match(await raw(port, text), /^HTTP\/1\.1 400 (?![\s\S]*HTTP\/1\.1 200)/);
  assert.equal(gateway.counts.get('pinged'), undefined);
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(plain);
  await once(socket, 'data');
  socket.write(odd);
  await once(socket, 'close');
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 400 /);
});

test('a body whose ambiguity comes late is not acted upon [ATK-17]', async (t) => {
  const { port, gateway } = await serve(t);
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(`${CHUNKED}\r\n${SIZE}\r\n`);
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(`${PING}\r\n`);
  await new Promise((resolve) => setImmediate(resolve));
  socket.write('0;late\r\n\r\n');
  await once(socket, 'close');
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 400 [\s\S]*INVALID_REQUEST/);
  assert.equal(gateway.counts.get('pinged'), undefined);
});

test('well-formed traffic is followed to its end, however it is cut', () => {
  const head = (extra: string): string => `POST /mcp HTTP/1.1\r\nHost: x\r\n${extra}\r\n`;
  const sized = fc
    .string({ unit: 'binary-ascii', maxLength: 40 })
    .map((body) => head(`Content-Length: ${body.length}\r\n`) + body);
  const chunked = fc
    .array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 20 }), { maxLength: 4 })
    .map((parts) => {
      const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
      return `${head('transfer-encoding: chunked\r\n')}${chunks}0\r\n\r\n`;
    });
  const bare = fc.constant('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  const odd = `${head('Transfer-Encoding: chunked\r\n')}1;x\r\na\r\n0\r\n\r\n`;
  fc.assert(
    fc.property(fc.array(fc.oneof(sized, chunked, bare), { maxLength: 6 }), fc.array(fc.nat(30)), (messages, cuts) => {
      const watch = new FramingWatch();
      const push = (text: string): void => {
        let rest = Buffer.from(text, 'latin1');
        for (const cut of cuts) {
          watch.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        watch.push(rest);
      };
      push(messages.join(''));
      assert.equal(watch.ambiguous, false);
      push(odd);
      assert.equal(watch.ambiguous, true);
    }),
    { numRuns: 300 },
  );
});
