/** Addresses at which no server is, however they are written, and a resolver that changes its mind. */
import assert from 'node:assert/strict';
import type { LookupFunction } from 'node:net';
import { after, test } from 'node:test';
import { BadCompany } from './support/bad-company.ts';
import { answerJson, connect, failsWith, fakeHttp, opening, resultFor, textResult } from './support/upstreams.ts';

const REFUSED: Record<string, string> = {
  metadata: 'https://169.254.169.254/mcp',
  decimal: 'https://2852039166/mcp',
  hexadecimal: 'https://0xa9fea9fe/mcp',
  octal: 'https://0251.0376.0251.0376/mcp',
  short: 'https://169.254.43518/mcp',
  mapped: 'https://[::ffff:169.254.169.254]/mcp',
  'mapped-hexadecimal': 'https://[::ffff:a9fe:a9fe]/mcp',
  translated: 'https://[64:ff9b::a9fe:a9fe]/mcp',
  'link-local': 'https://[fe80::1]/mcp',
  'metadata-of-six': 'https://[fd00:ec2::254]/mcp',
  unspecified: 'https://0.0.0.0/mcp',
  'unspecified-of-six': 'https://[::]/mcp',
  plain: 'http://169.254.169.254/mcp',
  'plain-decimal': 'http://2852039166/mcp',
  'plain-mapped': 'http://[::ffff:a9fe:a9fe]/mcp',
};

const company = await BadCompany.meet(
  { after },
  Object.fromEntries(Object.entries(REFUSED).map(([id, url]) => [id, { url }])),
);

for (const [id, url] of Object.entries(REFUSED)) {
  test(`nothing is connected to at ${url} [ATK-28] [G9]`, async () => {
    const { code } = await company.call(id);
    assert.equal(code, 'UPSTREAM_UNAVAILABLE');
    const why = company.gateway.events.filter((line) => line.includes(`${id}:`) || line.includes(`${id} `));
    assert.match(why.join('\n'), /link-local, unspecified or a metadata service|plain http is for loopback only/);
    await company.othersAnswer();
  });
}

test('a name that leads elsewhere on the next look is not followed [ATK-27] [ATK-28] [G9]', async (t) => {
  const open = opening('modern');
  const server = await fakeHttp(t, (request) => {
    request.response.shouldKeepAlive = false;
    if (!open(request)) answerJson(request.response, resultFor(request.message, textResult('ok')));
  });
  const answers = ['127.0.0.1'];
  const lookup: LookupFunction = (_name, options, callback) => {
    const address = answers[0] ?? '';
    if (options.all) callback(null, [{ address, family: 4 }]);
    else callback(null, address, 4);
  };
  const url = `http://localhost:${server.port}/mcp`;
  const { call } = connect(t, { kind: 'http', url, tlsFingerprint: null }, {}, { lookup });
  await call('t');
  const before = server.received.length;
  for (const [elsewhere, why] of [
    ['169.254.169.254', /link-local/],
    ['0.0.0.0', /unspecified/],
  ] as const) {
    answers[0] = elsewhere;
    await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE', why));
  }
  assert.equal(server.received.length, before);
});
