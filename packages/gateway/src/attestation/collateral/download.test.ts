import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { type Answer, vendorService } from '../../../../../tests/support/vendor-service.ts';
import { GatewayError } from '../../errors.ts';
import { systemTimers } from '../../timers.ts';
import { download } from './download.ts';
import { type Fetcher, networkFetcher } from './fetcher.ts';

const unavailable = (words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'COLLATERAL_UNAVAILABLE' && words.test(error.detail);

async function served(t: TestContext, answer: Answer) {
  const service = await vendorService(t, [['/file', answer]]);
  const said: string[] = [];
  const get = (path = '/file') =>
    download(
      { fetch: networkFetcher(systemTimers), say: (line) => said.push(line) },
      'the file',
      new URL(service.url + path),
    );
  return { service, said, get };
}

test('what a server answers is fetched, and it is said what is asked for', async (t) => {
  const { get, said, service } = await served(t, { body: 'content', headers: { 'X-Chain': 'a%20b' } });
  const answer = await get();
  assert.equal(Buffer.from(answer.body).toString(), 'content');
  assert.equal(answer.header('x-chain'), 'a%20b');
  assert.equal(answer.header('x-other'), null);
  assert.deepEqual(said, [`the file: ${service.url}/file`]);
});

test('answers that are none are told in words', async (t) => {
  const cases: [Answer, RegExp][] = [
    [{ status: 404 }, /the file from http:\/\/127\.0\.0\.1:\d+\/file: it does not know this one/],
    [
      { status: 429, headers: { 'Retry-After': '30' } },
      /asked too often \(429\): wait 30 seconds, then run the command again/,
    ],
    [{ status: 429 }, /wait a few minutes/],
    [{ status: 429, headers: { 'Retry-After': 'tomorrow' } }, /wait a few minutes/],
    [{ status: 500, body: 'secret' }, /status 500$/],
    [{ status: 200 }, /the answer is empty/],
    [{ body: Buffer.alloc(1024 * 1024 + 1) }, /more than 1048576 bytes/],
    [(_, response) => response.destroy(), /the file from/],
  ];
  for (const [answer, words] of cases) {
    const { get } = await served(t, answer);
    await assert.rejects(get(), unavailable(words));
  }
});

test('a redirect is followed to the same host, a few times, and to no other', async (t) => {
  const { get, service } = await served(t, { status: 302, headers: { Location: '/moved' } });
  service.answers.set('/moved', { body: 'moved' });
  assert.equal(Buffer.from((await get()).body).toString(), 'moved');
  for (const location of [
    'https://elsewhere.example/file',
    service.url.replace('127.0.0.1', '127.0.0.2'),
    service.url.replace('http:', 'https:'),
    'http://[',
  ]) {
    service.answers.set('/file', { status: 302, headers: { Location: location } });
    await assert.rejects(get(), unavailable(/another host and not followed/));
  }
  service.answers.set('/file', { status: 307, headers: { Location: '/file' } });
  await assert.rejects(get(), unavailable(/redirects more than 3 times/));
  assert.equal(service.asked.filter((path) => path === '/file').length, 1 + 4 + 4);
  service.answers.set('/file', { status: 302 });
  await assert.rejects(get(), unavailable(/status 302/));
});

test('nothing is fetched over http from another machine, nor with a password', async () => {
  const fetch: Fetcher = () => assert.fail('it was asked');
  const get = (url: string) => download({ fetch, say: () => undefined }, 'the file', new URL(url));
  for (const url of [
    'http://kds.example/',
    'ftp://kds.example/',
    'http://127.0.0.1.example/',
    'http://10.0.0.1/',
    'file:///etc/passwd',
  ]) {
    await assert.rejects(get(url), unavailable(/only https/));
  }
  await assert.rejects(get('https://user:secret@kds.example/'), unavailable(/with a password/));
  const seen: string[] = [];
  const answering: Fetcher = async ({ href }) => {
    seen.push(href);
    return { status: 200, header: () => null, body: Uint8Array.of(1) };
  };
  for (const url of ['https://kds.example/', 'http://localhost/', 'http://[::1]/', 'http://127.0.0.9/']) {
    await download({ fetch: answering, say: () => undefined }, 'the file', new URL(url));
  }
  assert.equal(seen.length, 4);
});

test('a server that does not answer is waited for half a minute', async (t) => {
  const time = new ManualTime();
  const { promise: asked, resolve: hear } = Promise.withResolvers<void>();
  const service = await vendorService(t, [['/file', () => hear()]]);
  const fetching = networkFetcher(time)(new URL(`${service.url}/file`), 100);
  await asked;
  time.advance(30_000);
  await assert.rejects(fetching, /no answer within 30 s/);
});

test('a server that is not there is told as what the network says', async () => {
  const get = download(
    { fetch: networkFetcher(systemTimers), say: () => undefined },
    'the file',
    new URL('http://127.0.0.1:1/'),
  );
  await assert.rejects(get, unavailable(/ECONNREFUSED/));
});

test('a defect is not taken for an answer of the network', async () => {
  const fetch: Fetcher = () => Promise.reject(new TypeError('a defect'));
  const get = download({ fetch, say: () => undefined }, 'the file', new URL('https://kds.example/'));
  await assert.rejects(get, TypeError);
  const broken = new Proxy(new URL('http://127.0.0.1/'), {
    get() {
      throw new RangeError('a defect');
    },
  });
  await assert.rejects(networkFetcher(systemTimers)(broken, 1), RangeError);
});
