import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { selfSigned, type TestCertificate } from '../../../../tests/support/certificate.ts';
import { serve } from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { GatewayError } from '../errors.ts';
import { ListenerTls } from './tls.ts';
import { spkiOf } from './tls-files.ts';

interface Listening {
  tls: ListenerTls;
  port: number;
  time: ManualTime;
  reports: string[];
  keys: string[];
  /** Resolves when something that begins so is reported after now. */
  reported(beginning: string): Promise<void>;
  write(certificate: TestCertificate, key?: string): Promise<void>;
  /** Says whose certificates clients must show. */
  trust(...authorities: TestCertificate[]): Promise<void>;
}

/** An ingress with certificate and key in files, or with a key of its own. */
async function listening(
  t: TestContext,
  identity: TestCertificate | null,
  clients: TestCertificate[] = [],
): Promise<Listening> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  const [certificate, key, authorities] = ['server.pem', 'server.key', 'clients.pem'].map((name) => join(folder, name));
  assert.ok(certificate !== undefined && key !== undefined && authorities !== undefined);
  const trust = (...given: TestCertificate[]): Promise<void> =>
    writeFile(authorities, given.map(({ cert }) => cert).join(''));
  await trust(...clients);
  const write = async (given: TestCertificate, secret = given.key): Promise<void> => {
    await writeFile(certificate, given.cert);
    await writeFile(key, secret);
  };
  if (identity !== null) await write(identity);
  const time = new ManualTime();
  const [reports, keys, waiting] = [[] as string[], [] as string[], [] as { beginning: string; done: () => void }[]];
  const report = (event: string, detail: string): void => {
    reports.push(`${event} ${detail}`);
    for (const { beginning, done } of waiting) if (`${event} ${detail}`.startsWith(beginning)) done();
  };
  const config = { listen: { host: '127.0.0.1', port: 0 }, allowedHosts: ['gateway.example:8443'] };
  const tls = await ListenerTls.open(
    {
      ...config,
      tls:
        identity === null
          ? { kind: 'generated' }
          : { kind: 'files', certificate, key, clientCa: clients.length === 0 ? null : authorities },
    },
    { clock: time, timers: time, report },
  );
  t.after(() => tls.close());
  tls.onNewKey((spki) => keys.push(spki));
  const { port } = await serve(t, { tls, ...config });
  const reported = (beginning: string) => new Promise<void>((done) => waiting.push({ beginning, done }));
  return { tls, port, time, reports, keys, reported, write, trust };
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** The key of whoever answers a new connection, `sha256:…`. */
async function keyAt(port: number): Promise<string> {
  const socket = await handshake(port);
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  return certificate === undefined ? '' : spkiOf(certificate.publicKey);
}

function get(port: number, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path: '/healthz', agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('error', reject).end();
  });
}

test('agents are served over TLS with the configured certificate, which a client can check', async (t) => {
  const identity = selfSigned('gateway');
  const { port, tls } = await listening(t, identity);
  const agent = new Agent({ ca: identity.cert });
  assert.equal(await get(port, agent), 200);
  assert.equal(await keyAt(port), tls.spki);
  await assert.rejects(get(port, new Agent({ ca: selfSigned('other').cert })), /self-signed|unable to verify/);
});

test('TLS below 1.2, weak suites and plain HTTP are refused', async (t) => {
  const { port } = await listening(t, selfSigned('gateway'));
  const weak = 'DEFAULT:@SECLEVEL=0';
  const old: ConnectionOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: weak };
  await assert.rejects(handshake(port, old), /alert|version/);
  const suite = (ciphers: string): ConnectionOptions => ({ maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` });
  await assert.rejects(handshake(port, suite('ECDHE-ECDSA-AES256-SHA')), /alert|handshake/);
  await assert.rejects(handshake(port, suite('AES128-GCM-SHA256')), /alert|handshake/);
  const modern = await handshake(port, suite('ECDHE-ECDSA-AES128-GCM-SHA256'));
  assert.equal(modern.getProtocol(), 'TLSv1.2');
  modern.destroy();
  const latest = await handshake(port);
  assert.equal(latest.getProtocol(), 'TLSv1.3');
  latest.destroy();
});

test('a client cannot renegotiate a connection', async (t) => {
  const { port } = await listening(t, selfSigned('gateway'));
  const socket = await handshake(port, { maxVersion: 'TLSv1.2' });
  socket.on('error', () => {});
  const outcome = await new Promise<unknown>((resolve) => {
    socket.once('close', () => resolve('closed'));
    socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error ?? 'renegotiated'));
  });
  assert.notEqual(outcome, 'renegotiated');
  socket.destroy();
});

test('a generated key is in memory only, another one for each listener', async (t) => {
  const [one, other] = await Promise.all([listening(t, null), listening(t, null)]);
  assert.equal(await keyAt(one.port), one.tls.spki);
  assert.notEqual(one.tls.spki, other.tls.spki);
  await one.tls.reload();
  assert.equal(await keyAt(one.port), one.tls.spki);
  const socket = await handshake(one.port);
  assert.match(socket.getPeerX509Certificate()?.subjectAltName ?? '', /DNS:localhost.*DNS:gateway\.example/);
  socket.destroy();
});

test('a certificate renewed for the same key is shown to new connections, and open ones go on', async (t) => {
  const identity = selfSigned('gateway');
  const { port, time, tls, reports, keys, reported, write } = await listening(t, identity);
  const agent = new Agent({ ca: identity.cert, keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  assert.equal(await get(port, agent), 200);
  const renewed = selfSigned('gateway renewed', identity.key);
  await write(renewed);
  const told = reported('tls.renewed');
  time.advance(10_000);
  await told;
  assert.equal(await get(port, agent), 200, 'the connection that was open');
  assert.equal(await get(port, new Agent({ ca: renewed.cert })), 200, 'a new one');
  assert.deepEqual(keys, []);
  assert.equal(await keyAt(port), tls.spki);
  await tls.reload();
  assert.equal(reports.length, 1, 'what did not change is not told');
});

test('another key is told, and no connection resumes what the old one began', async (t) => {
  const { port, tls, reports, keys, write } = await listening(t, selfSigned('gateway'));
  const before = tls.spki;
  const socket = await handshake(port, { maxVersion: 'TLSv1.2' });
  const session = socket.getSession();
  socket.destroy();
  const resumed = await handshake(port, { maxVersion: 'TLSv1.2', session });
  assert.ok(resumed.isSessionReused());
  resumed.destroy();
  await write(selfSigned('gateway'));
  await tls.reload();
  assert.notEqual(tls.spki, before);
  assert.deepEqual(keys, [tls.spki]);
  assert.match(reports.join(), /^tls\.key_changed agents now connect to key sha256:/);
  assert.equal(await keyAt(port), tls.spki);
  const fresh = await handshake(port, { maxVersion: 'TLSv1.2', session });
  assert.ok(!fresh.isSessionReused());
  fresh.destroy();
});

test('a connection does not outlive its key by more than one answer', async (t) => {
  const { port, tls, write } = await listening(t, selfSigned('gateway'));
  const socket = await handshake(port);
  const answer = async (): Promise<string> => {
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [data] = await once(socket, 'data');
    return String(data);
  };
  assert.match(await answer(), /Connection: keep-alive/);
  await write(selfSigned('gateway'));
  await tls.reload();
  const closed = once(socket, 'close');
  assert.match(await answer(), /^HTTP\/1\.1 200[\s\S]*Connection: close/);
  await closed;
});

test('files that do not fit are told once, and what was read before stays in use', async (t) => {
  const identity = selfSigned('gateway');
  const { port, time, tls, reports, keys, reported, write } = await listening(t, identity);
  const next = selfSigned('next');
  // Between the writing of one file and of the other.
  await write(next, identity.key);
  const refused = (error: unknown): boolean => error instanceof GatewayError && error.code === 'TLS_INVALID';
  await assert.rejects(tls.reload(), refused);
  const told = reported('TLS_INVALID');
  time.advance(10_000);
  await told;
  time.advance(10_000);
  await assert.rejects(tls.reload(), refused);
  assert.equal(reports.length, 1);
  assert.match(reports[0] ?? '', /is not the key of the first certificate.*what was read before stays in use$/);
  assert.equal(await keyAt(port), tls.spki);
  await write(next);
  const changed = reported('tls.key_changed');
  time.advance(10_000);
  await changed;
  assert.deepEqual(keys, [tls.spki]);
});

test('with authorities for clients, only who shows a certificate of theirs is served; who it is, the token says', async (t) => {
  const [identity, client, stranger] = [selfSigned('gateway'), selfSigned('client'), selfSigned('stranger')];
  const { port } = await listening(t, identity, [client]);
  const as = (own: TestCertificate | null): Agent => new Agent({ ca: identity.cert, ...(own ?? {}) });
  assert.equal(await get(port, as(client)), 200);
  await assert.rejects(get(port, as(null)), /certificate required|alert|ECONNRESET|socket/);
  await assert.rejects(get(port, as(stranger)), /unknown ca|alert|ECONNRESET|socket/);
  const old: ConnectionOptions = { maxVersion: 'TLSv1.2' };
  await assert.rejects(handshake(port, old), /alert|handshake|ECONNRESET/);
  const unnamed = request({ port, host: '127.0.0.1', path: '/mcp', method: 'POST', agent: as(client) }).end();
  const [answer] = await once(unnamed, 'response');
  assert.equal(answer.resume().statusCode, 401);
});

test('other authorities apply to whoever connects next, and end what those before let in after one answer', async (t) => {
  const [identity, client, next] = [selfSigned('gateway'), selfSigned('client'), selfSigned('next')];
  const { port, tls, reports, trust, keys } = await listening(t, identity, [client]);
  const socket = await handshake(port, { cert: client.cert, key: client.key });
  const answer = async (): Promise<string> => {
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [data] = await once(socket, 'data');
    return String(data);
  };
  assert.match(await answer(), /Connection: keep-alive/);
  await trust(next);
  await tls.reload();
  assert.deepEqual([reports.length, keys.length], [1, 0]);
  assert.match(reports[0] ?? '', /^tls\.client_ca_changed /);
  const closed = once(socket, 'close');
  assert.match(await answer(), /Connection: close/);
  await closed;
  assert.equal(await get(port, new Agent({ ca: identity.cert, cert: next.cert, key: next.key })), 200);
  await assert.rejects(get(port, new Agent({ ca: identity.cert, cert: client.cert, key: client.key })));
  await trust();
  await assert.rejects(tls.reload(), /TLS_INVALID/);
  assert.equal(await get(port, new Agent({ ca: identity.cert, cert: next.cert, key: next.key })), 200);
});

test('a certificate that expires while it is in use is told', async (t) => {
  const { time, reported } = await listening(t, selfSigned('gateway'));
  const told = reported('TLS_INVALID');
  time.advance(Date.UTC(2100, 0, 2) - Date.UTC(2026, 0, 1));
  await told;
});

test('files are not looked at any more once the listener is closed', async (t) => {
  const identity = selfSigned('gateway');
  const { time, tls, reports, write } = await listening(t, identity);
  tls.close();
  await write(selfSigned('next'), identity.key);
  time.advance(60_000);
  // It is done after whatever else was begun.
  await assert.rejects(tls.reload());
  assert.deepEqual(reports, []);
});
