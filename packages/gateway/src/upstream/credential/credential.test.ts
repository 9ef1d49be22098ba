import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, type TestContext, test } from 'node:test';
import { manualTimers } from '../../../../../tests/support/manual-timers.ts';
import {
  answerJson,
  connect,
  failsWith,
  fakeHttp,
  opening,
  resultFor,
  scripted,
  textOf,
  textResult,
} from '../../../../../tests/support/upstreams.ts';
import type { CatalogServer } from '../../catalog/types.ts';
import { Egress } from '../../egress.ts';
import type { CredentialSettings, OAuthSource } from './types.ts';

const SHOWN = { header: 'Authorization', scheme: 'Bearer', variable: 'CRM_TOKEN', lifetimeMs: 60_000 };

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-credential-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A server that answers every request which has one of the accepted values, and notes what it was shown. */
async function guarded(t: TestContext, accepts: (shown: string) => boolean = () => true) {
  const open = opening('modern');
  const shown: string[] = [];
  const server = await fakeHttp(t, (request) => {
    const given = String(request.headers.authorization ?? request.headers['x-key'] ?? '');
    shown.push(given);
    if (!accepts(given)) request.response.writeHead(401).end();
    else if (!open(request)) answerJson(request.response, resultFor(request.message, textResult('ok')));
  });
  return { transport: server.transport, shown };
}

async function fileWith(name: string, secret: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, secret, { mode: 0o600 });
  return path;
}

async function command(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

test('a credential in a file goes with every request, and a rotated one takes its place', async (t) => {
  const time = manualTimers();
  const { transport, shown } = await guarded(t);
  const path = await fileWith('rotated', 'first\n');
  const credential: CredentialSettings = { ...SHOWN, source: { kind: 'file', path } };
  const server = connect(t, transport, { credential }, { timers: time.timers });
  await server.call('t');
  await writeFile(path, 'second');
  await server.call('t');
  assert.deepEqual(new Set(shown.splice(0)), new Set(['Bearer first']));
  time.advance(60_001);
  await server.call('t');
  assert.deepEqual(shown, ['Bearer second']);
});

test('a server that no longer accepts it gets the next one, once', async (t) => {
  const path = await fileWith('refused', 'old');
  const good = new Set(['Bearer old']);
  const { transport, shown } = await guarded(t, (value) => good.has(value));
  const credential: CredentialSettings = { ...SHOWN, source: { kind: 'file', path } };
  const server = connect(t, transport, { credential });
  await server.call('t');
  await writeFile(path, 'new');
  good.clear();
  good.add('Bearer new');
  assert.equal(textOf(await server.call('t')), 'ok');
  assert.deepEqual(shown.slice(-2), ['Bearer old', 'Bearer new']);
  good.clear();
  await assert.rejects(server.call('t'), failsWith('UPSTREAM_PROTOCOL_ERROR', /HTTP 401/));
  assert.deepEqual(shown.slice(-2), ['Bearer new', 'Bearer new']);
});

test('header and word before the value are as configured', async (t) => {
  const path = await fileWith('plain', 'k-1');
  const { transport, shown } = await guarded(t);
  const credential: CredentialSettings = { ...SHOWN, header: 'X-Key', scheme: '', source: { kind: 'file', path } };
  await connect(t, transport, { credential }).call('t');
  assert.ok(shown.every((value) => value === 'k-1'));
});

test('a stdio server gets it in its environment, when it is started', async (t) => {
  const path = await command('vault', 'printf "from-%s" "$1"');
  const credential: CredentialSettings = { ...SHOWN, source: { kind: 'command', argv: [path, 'vault'] } };
  const server = connect(t, scripted('on.call = (m) => ok(m.id, text(String(process.env.CRM_TOKEN)));'), {
    credential,
  });
  assert.equal(textOf(await server.call('t')), 'from-vault');
});

test('without a credential nothing is sent, and no message repeats what was found', async (t) => {
  const { transport, shown } = await guarded(t);
  const failing = await command('failing', 'echo "s3cret" >&2; echo "s3cret"; exit 7');
  const long = await command('long', 'head -c 100000 /dev/zero | tr "\\0" x');
  const cases: [CredentialSettings['source'], RegExp][] = [
    [{ kind: 'file', path: join(folder, 'missing') }, /cannot be read \(ENOENT\)/],
    [{ kind: 'file', path: folder }, /cannot be read \(EISDIR\)/],
    [{ kind: 'file', path: await fileWith('empty', '\n') }, /not one line of printable ASCII/],
    [{ kind: 'file', path: await fileWith('lines', 's3cret\nX-Evil: 1') }, /not one line of printable ASCII/],
    [{ kind: 'file', path: await fileWith('huge', 'x'.repeat(20_000)) }, /not one line of printable ASCII/],
    [{ kind: 'command', argv: [failing] }, /failed: exit code 7/],
    [{ kind: 'command', argv: [join(folder, 'absent'), 's3cret'] }, /failed: ENOENT/],
    [{ kind: 'command', argv: [long] }, /failed: ERR_CHILD_PROCESS_STDIO_MAXBUFFER/],
  ];
  for (const [source, why] of cases) {
    const server = connect(t, transport, { credential: { ...SHOWN, source } });
    await assert.rejects(server.call('t'), (error: Error) => {
      failsWith('UPSTREAM_UNAVAILABLE', why)(error);
      assert.ok(!JSON.stringify([error.message, server.log]).includes('s3cret'));
      return true;
    });
  }
  assert.deepEqual(shown, []);
});

const hostOf = (transport: CatalogServer['transport']): string =>
  transport.kind === 'http' ? new URL(transport.url).host : '';

/** A token endpoint that gives `answer` and notes what it was asked. */
async function tokenEndpoint(t: TestContext, answer: (asked: URLSearchParams) => [number, unknown]) {
  const asked: { form: URLSearchParams; authorization: string | undefined }[] = [];
  const serve = async (request: IncomingMessage): Promise<[number, unknown]> => {
    const form = new URLSearchParams(await text(request));
    asked.push({ form, authorization: request.headers.authorization });
    return answer(form);
  };
  const server = createServer(async (request, response) => {
    const [status, body] = await serve(request);
    const location = status === 307 ? { Location: '/elsewhere' } : {};
    response.writeHead(status, { 'Content-Type': 'application/json', ...location }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, asked };
}

async function oauth(tokenUrl: string, more: Partial<OAuthSource> = {}): Promise<CredentialSettings> {
  const clientSecret = await fileWith('client', 'cl:ient s3cret\n');
  const none = { scope: null, resource: null, audience: null, subjectToken: null };
  return { ...SHOWN, source: { kind: 'oauth', tokenUrl, clientId: 'gate:way', clientSecret, ...none, ...more } };
}

test('a token of client credentials is asked for once, used until shortly before it ends, and renewed', async (t) => {
  const time = manualTimers();
  let issued = 0;
  const { url, asked } = await tokenEndpoint(t, () => [
    200,
    { access_token: `token-${++issued}`, token_type: 'Bearer', expires_in: 100 },
  ]);
  const { transport, shown } = await guarded(t);
  const credential = await oauth(url, { scope: 'read write', resource: 'https://crm.example/' });
  const server = connect(t, transport, { credential }, { timers: time.timers });
  await Promise.all([server.call('t'), server.call('t')]);
  assert.equal(asked.length, 1);
  const [first] = asked;
  assert.deepEqual(Object.fromEntries(first?.form ?? []), {
    grant_type: 'client_credentials',
    scope: 'read write',
    resource: 'https://crm.example/',
  });
  // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
  assert.equal(first?.authorization, `Basic ${btoa('gate%3Away:cl%3Aient+s3cret')}`);
  assert.deepEqual(new Set(shown.splice(0)), new Set(['Bearer token-1']));
  time.advance(89_000);
  await server.call('t');
  time.advance(2_000);
  await server.call('t');
  assert.deepEqual(shown, ['Bearer token-1', 'Bearer token-2']);
});

test('a token is exchanged for one of the server (RFC 8693)', async (t) => {
  const { url, asked } = await tokenEndpoint(t, () => [200, { access_token: 'mine', token_type: 'bearer' }]);
  const { transport, shown } = await guarded(t);
  const subjectToken = await fileWith('subject', 'workload-token\n');
  await connect(t, transport, { credential: await oauth(url, { subjectToken, audience: 'crm' }) }).call('t');
  assert.deepEqual(Object.fromEntries(asked[0]?.form ?? []), {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: 'crm',
    subject_token: 'workload-token',
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  });
  assert.ok(shown.every((value) => value === 'Bearer mine'));
});

test('a token endpoint that gives no token is a server that cannot be reached', async (t) => {
  const { transport, shown } = await guarded(t);
  const answers: [number, unknown, RegExp][] = [
    [400, { error: 'invalid_client', error_description: 's3cret' }, /invalid_client \(HTTP 400\)/],
    [500, 'broken', /no token response/],
    [200, { access_token: 'x', token_type: 'mac' }, /no token response/],
    [200, { access_token: 5, token_type: 'bearer' }, /no token response/],
    [200, { access_token: 'a\nb', token_type: 'bearer' }, /not one line/],
    [200, { access_token: 'x'.repeat(70_000), token_type: 'bearer' }, /longer than 65536 bytes/],
    [307, {}, /no token response/],
  ];
  for (const [status, body, why] of answers) {
    const { url, asked } = await tokenEndpoint(t, () => [status, body]);
    const server = connect(t, transport, { credential: await oauth(url) });
    await assert.rejects(server.call('t'), (error: Error) => {
      failsWith('UPSTREAM_UNAVAILABLE', why)(error);
      assert.ok(!error.message.includes('s3cret'));
      return true;
    });
    assert.equal(asked.length, 1);
  }
  assert.deepEqual(shown, []);
});

test('nothing is sent to a token endpoint beyond the egress allow-list, or in the clear to another machine', async (t) => {
  const { url, asked } = await tokenEndpoint(t, () => [200, { access_token: 'x', token_type: 'bearer' }]);
  const { transport } = await guarded(t);
  const credential = await oauth(url);
  const server = connect(t, transport, { credential }, { egress: new Egress([hostOf(transport)]) });
  await assert.rejects(server.call('t'), failsWith('UPSTREAM_UNAVAILABLE', /is not on the egress allow-list/));
  const plain = connect(t, transport, { credential: await oauth('http://login.example/token') });
  await assert.rejects(plain.call('t'), failsWith('UPSTREAM_UNAVAILABLE', /loopback only/));
  assert.deepEqual(asked, []);
});
