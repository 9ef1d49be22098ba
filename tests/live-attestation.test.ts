import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import {
  encodeHex,
  type LiveExpectations,
  readExpectations,
  readLiveDocument,
  type SessionFile,
  verifyLiveAttestation,
} from '@cmcp/evidence';
import { GatewayError, loadConfig, readEnvironment, type StartedGateway } from '@cmcp/gateway';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, fetch as undiciFetch } from 'undici';
import { spkiOf } from '../packages/gateway/src/ingress/tls-files.ts';
import { selfSigned, type TestCertificate } from './support/certificate.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { AGENT_TOKEN, type TestBed, withBed } from './support/gateway.ts';
import { GeneratedPlatform } from './support/generated-platform.ts';
import { ManualTime } from './support/manual-time.ts';

const TOOL = { name: 'echo', respond: () => ({ content: [{ type: 'text' as const, text: 'ok' }] }) };
const FILES = 'tls: { certificate: ./server.pem, key: ./server.key }';
const PATH = '/.well-known/cmcp/attestation';

async function writeIdentity(bed: TestBed, { cert, key }: TestCertificate): Promise<void> {
  await writeFile(join(bed.folder, 'server.pem'), cert);
  await writeFile(join(bed.folder, 'server.key'), key);
}

/** One question over a TLS connection of its own, and the key that it ended at. */
function ask(
  url: URL,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ text: string; key: string; status: number }> {
  return new Promise((resolve, reject) => {
    const { port } = url;
    const options = { port, host: '127.0.0.1', path, headers, rejectUnauthorized: false, agent: false };
    const sent = request(options, (response) => {
      const certificate = (response.socket as TLSSocket).getPeerX509Certificate();
      const key = certificate === undefined ? '' : spkiOf(certificate.publicKey);
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ text: Buffer.concat(chunks).toString(), key, status: response.statusCode ?? 0 }),
      );
    });
    sent.on('error', reject).end();
  });
}

/** An answer to a fresh nonce, and what a client saw. */
async function attested(url: URL) {
  const nonce = new Uint8Array(randomBytes(32));
  const { text, key } = await ask(url, `${PATH}?nonce=${encodeHex(nonce)}`);
  return { text, given: { nonce, tlsSpki: key, now: Math.floor(Date.now() / 1000) } };
}

/** The official client over TLS, which trusts whatever key answers. */
async function client(url: URL): Promise<Client> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const fetch = (input: string | URL, init?: object) => undiciFetch(input, { ...init, dispatcher });
  const connected = new Client({ name: 'test-agent', version: '1' });
  const headers = { authorization: `Bearer ${AGENT_TOKEN}` };
  const transport = new StreamableHTTPClientTransport(url, { fetch: fetch as never, requestInit: { headers } });
  await connected.connect(transport);
  return connected;
}

async function files(bed: TestBed): Promise<SessionFile[]> {
  const folder = join(bed.dataDir, 'sessions');
  const names = await readdir(folder);
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as SessionFile));
}

const startOf = ({ bundle }: SessionFile) => bundle.entries[0]?.detail ?? {};
const ofAgent = ({ bundle }: SessionFile) => bundle.entries[0]?.caller === 'agent';
const soft = (started: StartedGateway): LiveExpectations => ({
  keys: [{ x: started.publicKey, source: 'given' }],
  policyHash: started.policyHash,
  catalogHash: started.catalogHash,
  acceptSoftware: true,
});

test('a gateway in dev mode serves agents over TLS, and its answer verifies under its pinned key', async () => {
  await withBed({ tools: [TOOL], config: 'tls: generated' }, async (bed) => {
    const { gateway, started, url } = await bed.start();
    assert.equal(url.protocol, 'https:');
    const agent = await client(url);
    await agent.callTool({ name: 'echo', arguments: {} });
    await agent.close();
    const { text, given } = await attested(url);
    const report = await verifyLiveAttestation(text, given, soft(started));
    assert.equal(report.verdict, 'verified', report.summary);
    const other = await attested(url);
    assert.equal((await verifyLiveAttestation(text, other.given, soft(started))).verdict, 'refused', 'replayed');
    const relayed = { ...given, tlsSpki: (await attested(url)).given.tlsSpki.replace(/.$/, 'x') };
    assert.equal((await verifyLiveAttestation(text, relayed, soft(started))).verdict, 'refused', 'relayed');
    await gateway.stop();
    const { statement } = readLiveDocument(text);
    const { portableHash } = await loadConfig(bed.configFile, readEnvironment({ CMCP_DEV_MODE: '1' }));
    assert.equal(statement.config_hash, portableHash, 'no digest with secrets in it');
    for (const file of await files(bed)) {
      const detail = startOf(file);
      assert.equal(detail.tls_spki, given.tlsSpki);
      assert.deepEqual(
        [detail.bundle_hash, detail.catalog_hash, detail.mode, detail.measurement],
        [statement.policy_hash, statement.catalog_hash, statement.mode, statement.measurement],
      );
      assert.notEqual(detail.config_hash, statement.config_hash, 'no digest of secrets for whoever asks');
    }
    const chain = (await files(bed)).find((file) => !ofAgent(file));
    assert.equal(statement.audit_root, chain?.claim.gateway.audit_chain.root);
  });
});

test('a gateway on a platform answers with its evidence, and calls go on while challenges wait for the device', async () => {
  const platform = await GeneratedPlatform.create();
  const config = 'tls: generated\nattestation: { provider: tpm, roots: [./root.pem] }';
  await withBed({ tools: [TOOL], config, deps: { platforms: platform } }, async (bed) => {
    await writeFile(join(bed.folder, 'root.pem'), platform.rootPem);
    const { started, url } = await bed.start();
    const { text, given } = await attested(url);
    const { evidence } = readLiveDocument(text);
    assert.equal(evidence?.kind, 'tpm');
    const expectations: LiveExpectations = {
      anchors: [platform.anchor],
      acceptOperatorRoot: true,
      policyHash: started.policyHash,
      catalogHash: started.catalogHash,
    };
    const report = await verifyLiveAttestation(text, given, expectations);
    assert.deepEqual(
      ['hardware.statement', 'live.tls', 'live.nonce', 'live.signature', 'key.pinned'].map(
        (id) => report.checks.find((check) => check.id === id)?.outcome,
      ),
      ['proven', 'proven', 'proven', 'proven', 'proven'],
    );
    const agent = await client(url);
    const gate = Promise.withResolvers<void>();
    platform.gate = gate.promise;
    const waiting = attested(url);
    await agent.callTool({ name: 'echo', arguments: {} });
    gate.resolve();
    await waiting;
    await agent.close();
  });
});

test('a certificate that is renewed for the same key leaves sessions open; another key closes them as an activation does', async () => {
  const time = new ManualTime();
  const deps = { timers: time };
  await withBed({ tools: [TOOL], config: FILES, deps }, async (bed) => {
    const identity = selfSigned('gateway');
    await writeIdentity(bed, identity);
    const { gateway, url } = await bed.start();
    const agent = await client(url);
    await agent.callTool({ name: 'echo', arguments: {} });
    const before = (await attested(url)).given.tlsSpki;
    await writeIdentity(bed, selfSigned('renewed', identity.key));
    time.advance(10_000);
    await bed.reported('tls.renewed');
    assert.equal((await files(bed)).filter(ofAgent).length, 0);
    await writeIdentity(bed, selfSigned('other'));
    time.advance(10_000);
    await bed.reported('tls.key_changed');
    await agent.callTool({ name: 'echo', arguments: {} });
    const { text, given } = await attested(url);
    assert.notEqual(given.tlsSpki, before);
    assert.equal(readLiveDocument(text).statement.tls_spki, given.tlsSpki);
    await agent.close();
    await gateway.stop();
    const sessions = (await files(bed)).filter(ofAgent);
    assert.deepEqual(new Set(sessions.map((file) => startOf(file).tls_spki)), new Set([before, given.tlsSpki]));
    const chain = (await files(bed)).find((file) => !ofAgent(file));
    const told = chain?.bundle.entries.find(({ action }) => action === 'tls.key_changed');
    assert.deepEqual(told?.detail, { tls_spki: given.tlsSpki });
    const first = sessions.find((file) => startOf(file).tls_spki === before);
    assert.equal(first?.bundle.entries.at(-1)?.detail?.reason, 'activation');
  });
});

test('reload reads the TLS files too, and keeps everything as it was when they are no good', async () => {
  await withBed({ tools: [TOOL], config: FILES }, async (bed) => {
    const identity = selfSigned('gateway');
    await writeIdentity(bed, identity);
    const { gateway, url } = await bed.start();
    const before = (await attested(url)).given.tlsSpki;
    await writeIdentity(bed, { ...identity, key: selfSigned('other').key });
    await assert.rejects(gateway.reload(), (error) => error instanceof GatewayError && error.code === 'TLS_INVALID');
    assert.equal((await attested(url)).given.tlsSpki, before);
    await writeIdentity(bed, selfSigned('other'));
    await gateway.reload();
    assert.notEqual((await attested(url)).given.tlsSpki, before);
  });
});

test('a gateway whose certificate is not that of its key does not start, and leaves nothing running', async () => {
  await withBed({ tools: [TOOL], config: FILES }, async (bed) => {
    await writeIdentity(bed, { ...selfSigned('gateway'), key: selfSigned('other').key });
    await assert.rejects(bed.start(), (error) => error instanceof GatewayError && error.code === 'TLS_INVALID');
    await assert.rejects(readdir(bed.dataDir), 'no store was opened');
  });
});

test('the listener answers nobody by another name, and nobody without TLS', async () => {
  await withBed({ tools: [TOOL], config: 'tls: generated' }, async (bed) => {
    const { url } = await bed.start();
    const nonce = 'ab'.repeat(32);
    assert.equal((await ask(url, `${PATH}?nonce=${nonce}`, { Host: 'evil.example' })).status, 403);
    assert.equal((await ask(url, `${PATH}?nonce=${nonce}`)).status, 200);
    await assert.rejects(fetch(`http://127.0.0.1:${url.port}/healthz`));
    const old = connect({
      port: Number(url.port),
      host: '127.0.0.1',
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
      rejectUnauthorized: false,
    });
    await assert.rejects(new Promise((resolve, reject) => old.once('secureConnect', resolve).once('error', reject)));
  });
});

test('cmcp attest evidence asks a gateway, and cmcp attest verify checks its answer offline', async () => {
  await withBed({ tools: [TOOL], config: 'tls: generated' }, async (bed) => {
    const { started, url } = await bed.start();
    const nonce = randomBytes(32).toString('hex');
    const [file, expect] = [join(bed.folder, 'answer.json'), join(bed.folder, 'expect.json')];
    const asked = await cmcpInProcess(['attest', '--nonce', nonce, '--url', url.origin, '--out', file], bed.folder);
    assert.equal(asked.code, 0, asked.stderr);
    assert.match(asked.stderr, /Nothing is verified yet/);
    const key = /sha256:[0-9a-f]{64}/.exec(asked.stderr)?.[0] ?? '';
    const expectations = {
      cmcp_expect: 1,
      keys: [started.publicKey],
      policy_hash: started.policyHash,
      catalog_hash: started.catalogHash,
      accept: ['software'],
    };
    readExpectations(JSON.stringify(expectations));
    await writeFile(expect, JSON.stringify(expectations));
    const check = (...more: string[]) =>
      cmcpInProcess(['attest', 'verify', file, '--expect', expect, ...more], bed.folder);
    const verified = await check('--nonce', nonce, '--tls-spki', key);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /VERIFIED WITH accept: software/);
    const json = await check('--nonce', nonce.toUpperCase(), '--tls-spki', key, '--json');
    assert.equal(JSON.parse(json.stdout).verdict, 'verified');
    assert.equal((await check('--nonce', nonce)).code, 1, 'no connection was looked at');
    assert.equal((await check('--nonce', '00'.repeat(32), '--tls-spki', key)).code, 1);
    assert.equal((await check('--nonce', nonce, '--tls-spki', key, '--at', '2020-01-01T00:00:00Z')).code, 1);
    for (const wrong of [['--nonce', 'abc'], [], ['--nonce', nonce, '--tls-spki', 'x']]) {
      assert.equal((await check(...wrong)).code, 2, wrong.join(' '));
    }
    await writeFile(expect, JSON.stringify({ ...expectations, policy: 'x' }));
    const misspelt = await check('--nonce', nonce, '--tls-spki', key);
    assert.deepEqual([misspelt.code, /member that is not allowed: "policy"/.test(misspelt.stderr)], [1, true]);
    const existing = await cmcpInProcess(
      ['attest', 'evidence', '--nonce', nonce, '--url', url.origin, '--out', file],
      bed.folder,
    );
    assert.equal(existing.code, 1);
    const none = await cmcpInProcess(['attest', 'evidence', '--nonce', nonce, '--config', bed.configFile], bed.folder, {
      CMCP_DEV_MODE: '1',
    });
    assert.equal(none.code, 3);
    assert.match(none.stderr, /there is no evidence to show/);
  });
});
