import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { encodeBase64Url, encodeUtf8 } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { azureMetadata, hostCertificates, hostQuote, type MetadataFetch } from './metadata-service.ts';

interface Seen {
  method: string | undefined;
  url: string | undefined;
  metadata: string | string[] | undefined;
  type: string | undefined;
  body: string;
}

/** A metadata service that answers so, and what it was asked. */
async function service(
  t: TestContext,
  answer: (response: ServerResponse) => void,
): Promise<{ fetch: MetadataFetch; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method, url, headers } = request;
    const body = Buffer.concat(parts).toString();
    seen.push({ method, url, metadata: headers.metadata, type: headers['content-type'], body });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { fetch: azureMetadata('127.0.0.1', address.port), seen };
}

const json = (value: unknown) => (response: ServerResponse) => response.end(JSON.stringify(value));
const isUnavailable = (why: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'COLLATERAL_UNAVAILABLE' && why.test(error.detail);

test('certificates are asked for as the metadata service wants it', async (t) => {
  const { fetch, seen } = await service(
    t,
    json({ vcekCert: 'leaf', certificateChain: 'chain', tcbm: 'x', cacheControl: '86400' }),
  );
  assert.deepEqual(await hostCertificates(fetch), { leaf: 'leaf', chain: 'chain' });
  const asked = { method: 'GET', url: '/metadata/THIM/amd/certification', metadata: 'true', type: undefined, body: '' };
  assert.deepEqual(seen, [asked]);
});

test('a TDREPORT is sent and a quote comes back', async (t) => {
  const { fetch, seen } = await service(t, json({ quote: encodeBase64Url(Uint8Array.of(1, 2, 3)) }));
  assert.deepEqual(await hostQuote(fetch, Uint8Array.of(0xfb, 0xff)), Uint8Array.of(1, 2, 3));
  assert.deepEqual(seen, [
    { method: 'POST', url: '/acc/tdquote', metadata: 'true', type: 'application/json', body: '{"report":"-_8"}' },
  ]);
});

test('an answer that is none is told', async (t) => {
  const cases: [(response: ServerResponse) => void, RegExp][] = [
    [(response) => response.writeHead(404).end('{}'), /status 404/],
    [(response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end(), /status 302/],
    [json([]), /no JSON object/],
    [json({ vcekCert: 1 }), /no text vcekCert/],
    [json({ vcekCert: 'leaf' }), /no text certificateChain/],
    [(response) => response.end('text'), /certification: /],
    [(response) => response.end(Buffer.from([0xff])), /certification: /],
    [(response) => response.end(' '.repeat(65_537)), /more than 65536 bytes/],
    [(response) => void response.destroy(), /hang up/],
    [
      (response) => void response.writeHead(200, { 'content-length': '10' }).write('{', () => response.destroy()),
      /aborted/,
    ],
  ];
  for (const [answer, why] of cases) {
    const { fetch } = await service(t, answer);
    await assert.rejects(hostCertificates(fetch), isUnavailable(why));
  }
  const { fetch } = await service(t, json({ quote: 'not base64url!' }));
  await assert.rejects(hostQuote(fetch, new Uint8Array(1)), isUnavailable(/the quote is/));
  await assert.rejects(
    hostCertificates(async () => encodeUtf8('{')),
    isUnavailable(/certification/),
  );
});

test('a host that cannot be reached is told', async (t) => {
  const { fetch } = await service(t, () => {});
  assert.ok(fetch);
  await assert.rejects(hostCertificates(azureMetadata('127.0.0.1', 1)), isUnavailable(/ECONNREFUSED/));
});
