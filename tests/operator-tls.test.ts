import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificate, selfSigned } from './support/certificate.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { AGENT_TOKEN, OPERATOR_TOKEN, TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { askOperator, type OperatorPlace, openOperator, operatorWith } from './support/operator.ts';
import { sessionFile } from './support/session-files.ts';

const AUTHORITY = { ...selfSigned('operators'), name: 'operators' };
const SERVER = selfSigned('server');
const URI = 'spiffe://example.org/anna';
const issued = (uris: string[] = []) => certificate('operator', { issuer: AUTHORITY, uris, nowhere: true });
const ANNA = issued([URI]);
const BEN = issued();
const NOBODY = issued(['spiffe://example.org/ann']);
const STRANGER = selfSigned('stranger');

/** `extra`: further members of `operator`. */
async function bedWithTls(extra: string): Promise<TestBed> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  const files = { 'op.pem': SERVER.cert, 'op.key': SERVER.key, 'ca.pem': AUTHORITY.cert };
  for (const [name, text] of Object.entries(files)) await writeFile(join(bed.folder, name), text);
  await bed.writeConfig(
    `operator: { listen: '127.0.0.1:0', credentials: [${operatorWith('op', OPERATOR_TOKEN)}, ${operatorWith('anna', 'anna-token', ['approver', 'operator'])}], ${extra} }`,
  );
  return bed;
}

const MUTUAL = `tls: { certificate: ./op.pem, key: ./op.key, client_ca: ./ca.pem }, certificates: [{ certificate: 'URI:${URI}', subject: anna, roles: [operator, viewer] }, { certificate: '${BEN.digest}', subject: ben, roles: [auditor] }]`;

test('over TLS operators are known by name or digest of their certificate, or by token; whoever shows both is one person', async (t) => {
  const bed = await bedWithTls(MUTUAL);
  t.after(() => bed.close());
  const { gateway, started } = await bed.start();
  assert.match(started.operatorUrl ?? '', /^https:\/\/127\.0\.0\.1:\d+$/);
  const port = Number(new URL(started.operatorUrl ?? '').port);
  const as = ({ cert, key }: { cert: string; key: string }): OperatorPlace => ({
    ...{ host: '127.0.0.1', port, ca: SERVER.cert, cert, key },
    // Some of the requests are for another host.
    checkServerIdentity: () => undefined,
  });
  const close = 'sessions/00000000-0000-4000-8000-000000000000/close';
  const status = async (
    place: OperatorPlace,
    route: string,
    token: string | null = null,
    headers: Record<string, string> = {},
  ): Promise<[number, unknown]> => {
    const method = route === close ? 'POST' : 'GET';
    const reply = await askOperator(place, { method, route, token, headers });
    assert.equal(reply.headers['access-control-allow-origin'], undefined);
    return [reply.status, reply.body.error_code];
  };

  assert.deepEqual(await status(as(ANNA), 'sessions'), [200, undefined]);
  assert.deepEqual(await status(as(ANNA), close), [404, 'SESSION_UNKNOWN'], 'it may, and there is none');
  assert.deepEqual(await status(as(BEN), 'sessions'), [200, undefined]);
  assert.deepEqual(await status(as(BEN), close), [403, 'FORBIDDEN'], 'auditors change nothing');
  assert.deepEqual(await status(as(ANNA), close, 'anna-token'), [404, 'SESSION_UNKNOWN']);
  assert.deepEqual(await status(as(BEN), 'sessions', 'anna-token'), [401, 'UNAUTHENTICATED'], 'two people');
  assert.deepEqual(
    await status(as(ANNA), 'sessions', 'wrong'),
    [401, 'UNAUTHENTICATED'],
    'a certificate excuses no token',
  );
  assert.deepEqual(await status(as(NOBODY), 'sessions'), [401, 'UNAUTHENTICATED'], 'a name that begins alike');
  assert.deepEqual(await status(as(NOBODY), 'sessions', OPERATOR_TOKEN), [200, undefined]);
  assert.deepEqual(await status(as(NOBODY), 'sessions', AGENT_TOKEN), [403, 'FORBIDDEN']);
  assert.deepEqual(await status(as(ANNA), 'sessions', null, { host: 'evil.example' }), [403, 'HOST_REFUSED']);
  assert.deepEqual(await status(as(ANNA), 'sessions', null, { origin: 'https://127.0.0.1' }), [403, 'ORIGIN_REFUSED']);
  const without = { host: '127.0.0.1', port, ca: SERVER.cert };
  await assert.rejects(askOperator(without, { route: 'healthz' }), 'no certificate, no connection');
  await assert.rejects(askOperator(as(STRANGER), { route: 'healthz' }), 'nor with one of another authority');

  await gateway.stop();
  const { bundle } = await sessionFile(started, started.gatewaySession);
  const by = bundle.entries.filter(({ action }) => action?.startsWith('operator.'));
  assert.deepEqual(
    by.map(({ action, caller, caller_source, detail }) => [action, caller, caller_source, detail?.operator_roles]),
    [
      ['operator.close', 'anna', 'mtls', 'viewer,operator'],
      ['operator.refused', 'ben', 'mtls', 'auditor'],
      ['operator.close', 'anna', 'mtls', 'operator'],
      ['operator.refused', 'agent', 'bearer', undefined],
    ],
    'with a token too, what both say',
  );
});

test('cmcp speaks to it with a certificate, or with a token, and says what TLS lacks', async (t) => {
  const bed = await bedWithTls('tls: { certificate: ./op.pem, key: ./op.key }');
  t.after(() => bed.close());
  const { started } = await bed.start();
  const ca = join(bed.folder, 'op.pem');
  const list = (options: string[], env: Record<string, string> = {}) =>
    cmcpInProcess(['session', 'list', '--operator', started.operatorUrl ?? '', ...options], bed.folder, env);
  const token = { CMCP_OPERATOR_TOKEN: OPERATOR_TOKEN };
  const listed = await list(['--tls-ca', ca], token);
  assert.deepEqual([listed.code, listed.stderr], [0, '']);
  assert.match(listed.stdout, /\(the gateway itself\)/);
  const untrusted = await list([], token);
  assert.equal(untrusted.code, 1);
  assert.match(untrusted.stderr, /no TLS with https:.*--tls-ca/);
  const unknown = await list(['--tls-ca', ca], { CMCP_OPERATOR_TOKEN: 'wrong' });
  assert.match(unknown.stderr, /does not know this operator token/);
  const [cert, key] = [join(bed.folder, 'me.pem'), join(bed.folder, 'me.key')];
  await writeFile(cert, ANNA.cert);
  await writeFile(key, ANNA.key);
  const shown = await list(['--tls-ca', ca, '--tls-cert', cert, '--tls-key', key]);
  assert.match(shown.stderr, /does not know this certificate/, 'nobody asked for it here');
});

test('who was let in by authorities of before is not served for long once they are replaced', async (t) => {
  const bed = await bedWithTls(MUTUAL);
  t.after(() => bed.close());
  const time = new ManualTime();
  const { gateway, started } = await bed.start({ timers: time });
  const port = Number(new URL(started.operatorUrl ?? '').port);
  const place = { host: '127.0.0.1', port, ca: SERVER.cert, cert: ANNA.cert, key: ANNA.key };
  const stream = await openOperator(place, { route: 'events' });
  time.advance(15_000);
  await writeFile(join(bed.folder, 'ca.pem'), STRANGER.cert);
  await gateway.reload();
  const seen = async (): Promise<void> => {
    for await (const chunk of stream as AsyncIterable<Buffer>) assert.ok(chunk.length > 0);
  };
  const ended = assert.rejects(seen(), { code: 'ECONNRESET' });
  time.advance(15_000);
  await ended;
  await assert.rejects(askOperator(place, { route: 'sessions' }), 'nor is that authority known any more');
});

test('a certificate that ends while its connection is open opens nothing more, nor does what follows events with it', async (t) => {
  const bed = await bedWithTls(MUTUAL);
  t.after(() => bed.close());
  const time = new ManualTime();
  const { started } = await bed.start({ timers: time, clock: time });
  const port = Number(new URL(started.operatorUrl ?? '').port);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const place = { host: '127.0.0.1', port, ca: SERVER.cert, cert: ANNA.cert, key: ANNA.key };
  const ask = async (): Promise<number> => (await askOperator({ ...place, agent }, { route: 'sessions' })).status;
  assert.equal(await ask(), 200);
  const stream = await openOperator(place, { route: 'events' });
  const ended = assert.rejects(once(stream.resume(), 'end'), { code: 'ECONNRESET' });
  time.advance(Date.UTC(2100, 0, 1) - time.nowMicros() / 1000);
  assert.equal(await ask(), 401);
  await ended;
});

test('somebody who tries credentials over the network is told to wait; whoever has one is not', async (t) => {
  const bed = await bedWithTls('tls: { certificate: ./op.pem, key: ./op.key }');
  t.after(() => bed.close());
  const { started } = await bed.start();
  const place = { host: '127.0.0.1', port: Number(new URL(started.operatorUrl ?? '').port), ca: SERVER.cert };
  const statuses: number[] = [];
  for (let tried = 0; tried < 21; tried += 1)
    statuses.push((await askOperator(place, { route: 'sessions', token: 'wrong' })).status);
  assert.deepEqual(new Set(statuses.slice(0, 20)), new Set([401]));
  const waits = await askOperator(place, { route: 'sessions', token: AGENT_TOKEN });
  assert.deepEqual([statuses[20], waits.status, waits.headers['retry-after']], [429, 429, '60']);
  assert.equal((await askOperator(place, { route: 'sessions', token: OPERATOR_TOKEN })).status, 200);
  const unknown = await askOperator({ socketPath: join(bed.dataDir, 'operator.sock') }, { route: 'sessions' });
  assert.deepEqual([unknown.status, unknown.headers['www-authenticate']], [401, 'Bearer realm="cmcp-operator"']);
});

test('a listener on the network needs a certificate that is in force, or nothing starts', async (t) => {
  const bed = await bedWithTls('tls: { certificate: ./op.pem, key: ./ca.pem }');
  t.after(() => bed.close());
  await assert.rejects(bed.start(), { code: 'TLS_INVALID' });
});
