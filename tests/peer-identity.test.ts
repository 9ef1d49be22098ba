/** HTTPS servers that are not who the catalog says, in front of a real gateway and a real TLS server. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TlsOptions } from 'node:tls';
import type { AuditEntry } from '@cmcp/evidence';
import { Gateway, loadConfig, readEnvironment, type StartedGateway } from '@cmcp/gateway';
import { callMeta, refused } from './support/calls.ts';
import { type CertificateTerms, certificate, selfSigned, type TestCertificate } from './support/certificate.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';
import { quietProcess } from './support/process.ts';
import { sessionFile } from './support/session-files.ts';
import {
  answerJson,
  connect,
  failsWith,
  fakeHttp,
  opening,
  resultFor,
  textOf,
  textResult,
} from './support/upstreams.ts';

const LIMITS = { timeout: 60_000 };
const ID = 'spiffe://example.org/tools/notes';
const SIGNS = 0x80;
const AUTHORITY = { name: 'tools', ...certificate('tools', { authority: true, nowhere: true, usage: 0x06 }) };
const other = selfSigned('other');

const issued = (terms: CertificateTerms = {}): TestCertificate =>
  certificate('server', { issuer: AUTHORITY, usage: SIGNS, ...terms });

/** A bed whose server shows `shown`, whose catalog says `record`, and whose config trusts AUTHORITY for it. */
async function withPeer(
  shown: TlsOptions,
  record: Record<string, unknown>,
  run: (bed: TestBed) => Promise<void>,
  config = 'upstreams: { scripted: { ca: ./ca.pem } }',
): Promise<void> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }], tls: shown, record, config });
  try {
    await writeFile(join(bed.folder, 'ca.pem'), `${other.cert}${AUTHORITY.cert}`);
    await run(bed);
  } finally {
    await bed.close();
  }
}

const chain = async (started: StartedGateway): Promise<AuditEntry[]> =>
  (await sessionFile(started, started.gatewaySession)).bundle.entries;

/** The call is refused before the server saw a byte, and both chains say so. */
async function refusedBy(bed: TestBed, why: RegExp): Promise<void> {
  const { gateway, started, url } = await bed.start();
  const client = await bed.client(url);
  const error = await refused(client.callTool({ name: 'echo', arguments: {} }));
  assert.equal(error.data.error_code, 'UPSTREAM_UNAVAILABLE');
  assert.equal(bed.server.headers.length, 0);
  await gateway.stop();
  const { session_id } = error.data['io.cmcp/call'] as { session_id: string };
  const call = (await sessionFile(started, session_id)).bundle.entries.find((entry) => entry.tool_name === 'echo');
  assert.equal(call?.policy_rule_matched, 'upstream:UPSTREAM_UNAVAILABLE');
  const entered = (await chain(started)).filter(({ action }) => action === 'server.refused');
  assert.equal(entered.length, 1);
  assert.equal(entered[0]?.detail?.server, 'scripted');
  assert.match(String(entered[0]?.detail?.reason), why);
}

async function accepted(bed: TestBed): Promise<void> {
  const { url } = await bed.start();
  const client = await bed.client(url);
  assert.ok(callMeta(await client.callTool({ name: 'echo', arguments: {} })).call_id);
}

test('a key is pinned beside the chain, with room for the next one [W-30] [G10]', LIMITS, async (t) => {
  const now = selfSigned('server');
  const next = selfSigned('server');
  const open = opening('modern');
  const shown = await fakeHttp(
    t,
    (request) => {
      if (!open(request)) answerJson(request.response, resultFor(request.message, textResult('ok')));
    },
    now,
  );
  const reach = (spki: string[], ca = [now.cert]) => {
    const pins = { spki, spiffeId: null, ca: null, placeholder: false };
    return connect(t, { ...shown.transport, pins } as typeof shown.transport, {}, { ca }).call('t');
  };
  assert.equal(textOf(await reach([now.spki])), 'ok');
  assert.equal(textOf(await reach([next.spki, now.spki])), 'ok');
  const before = shown.received.length;
  await assert.rejects(reach([next.spki]), failsWith('UPSTREAM_UNAVAILABLE', /none of the pinned/));
  await assert.rejects(reach([now.spki], [other.cert]), failsWith('UPSTREAM_UNAVAILABLE', /self-signed/));
  assert.equal(shown.received.length, before);
});

test('a server goes over to the next pinned key while it is served, and to no other', LIMITS, async () => {
  const [now, next, stolen] = [issued(), issued(), issued()];
  const record = { ca: AUTHORITY.digest, spki_pins: [now.spki, next.spki] };
  await withPeer(now, record, async (bed) => {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const call = () => client.callTool({ name: 'echo', arguments: {} });
    await call();
    bed.server.showInstead(next);
    await call();
    const seen = bed.server.headers.length;
    bed.server.showInstead(stolen);
    assert.equal((await refused(call())).data.error_code, 'UPSTREAM_UNAVAILABLE');
    assert.equal(bed.server.headers.length, seen);
    await gateway.stop();
    const entered = (await chain(started)).filter(({ action }) => action === 'server.refused');
    assert.match(String(entered[0]?.detail?.reason), /none of the pinned/);
  });
});

test(
  'only the authority that the catalog names is trusted, whatever else its file holds [AUTHZ-12]',
  LIMITS,
  async () => {
    await withPeer(issued(), { ca: AUTHORITY.digest }, accepted);
    await withPeer(other, { ca: AUTHORITY.digest }, (bed) => refusedBy(bed, /self-signed|unable to/));
  },
);

test('a certificate that expired is refused, although its key is pinned', LIMITS, async () => {
  const expired = issued({ until: '20210101000000Z' });
  const record = { ca: AUTHORITY.digest, spki_pins: [expired.spki], tls_fingerprint: expired.pin };
  await withPeer(expired, record, (bed) => refusedBy(bed, /expired/));
});

test('a SPIFFE id takes the place of the host name [AUTHZ-12]', LIMITS, async () => {
  const record = { ca: AUTHORITY.digest, spiffe_id: ID };
  await withPeer(issued({ uris: [ID], nowhere: true }), record, accepted);
  // Without it the name of the host is what counts.
  await withPeer(issued({ uris: [ID], nowhere: true }), { ca: AUTHORITY.digest }, (bed) =>
    refusedBy(bed, /IP|altnames/),
  );
});

const NO_SVIDS: Record<string, [CertificateTerms, RegExp]> = {
  'without any id': [{}, /0 URI names/],
  'of another id': [{ uris: ['spiffe://example.org/tools/other'] }, /another SPIFFE id/],
  'of an id that only begins so': [{ uris: [`${ID}/more`] }, /another SPIFFE id/],
  'of two ids': [{ uris: [ID, 'spiffe://example.org/tools/other'] }, /2 URI names/],
  'of an id and a web address': [{ uris: ['https://example.org/', ID] }, /2 URI names/],
  'with a second name hidden in the first': [{ uris: [`${ID}, URI:${ID}`] }, /another SPIFFE id/],
  'of an authority': [{ uris: [ID], authority: true }, /that of an authority/],
  'of a key that may not sign': [{ uris: [ID], usage: 0x08 }, /may not sign/],
  'of a key that may issue': [{ uris: [ID], usage: 0x84 }, /may issue/],
  'that expired': [{ uris: [ID], until: '20210101000000Z' }, /expired/],
  'of another trust domain': [{ uris: [ID], issuer: { name: 'other', ...other } }, /unable to|self-signed/],
};

for (const [what, [terms, why]] of Object.entries(NO_SVIDS)) {
  test(`a certificate ${what} is not the X509-SVID [AUTHZ-12] [W-30]`, LIMITS, () =>
    withPeer(issued(terms), { ca: AUTHORITY.digest, spiffe_id: ID }, (bed) => refusedBy(bed, why)),
  );
}

test('the gateway shows its own certificate to a server that asks for one', LIMITS, async () => {
  const own = issued();
  const asking = { ...issued(), ca: [AUTHORITY.cert], requestCert: true, rejectUnauthorized: true };
  const withFiles = async (bed: TestBed, run: (bed: TestBed) => Promise<void>): Promise<void> => {
    await writeFile(join(bed.folder, 'own.pem'), own.cert);
    await writeFile(join(bed.folder, 'own.key'), own.key);
    await run(bed);
  };
  const record = { ca: AUTHORITY.digest };
  const config = 'upstreams: { scripted: { ca: ./ca.pem, client_certificate: ./own.pem, client_key: ./own.key } }';
  await withPeer(asking, record, (bed) => withFiles(bed, accepted), config);
  await withPeer(asking, record, async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    const error = await refused(client.callTool({ name: 'echo', arguments: {} }));
    assert.equal(bed.server.calls.length, 0);
    assert.match(String(error.data.error_code), /^(?:UPSTREAM_UNAVAILABLE|OUTCOME_UNKNOWN)$/);
  });
});

const UNMET: Record<string, [Record<string, unknown>, string, RegExp]> = {
  'an authority without its file': [{ ca: AUTHORITY.digest }, '', /upstreams\.scripted\.ca: is missing/],
  'an authority that is not in the file': [{ ca: `sha256:${'1'.repeat(64)}` }, '{ ca: ./ca.pem }', /trusts only/],
  'no authority, with a file of one': [{}, '{ ca: ./ca.pem }', /the catalog names no authority/],
  'an authority whose file is not there': [{ ca: AUTHORITY.digest }, '{ ca: ./none.pem }', /cannot be read \(ENOENT\)/],
  'an authority whose file is none': [{ ca: AUTHORITY.digest }, '{ ca: ./cmcp.yaml }', /PEM/],
  'a certificate without its key': [{}, '{ client_certificate: ./ca.pem, client_key: ./ca.pem }', /not a pair/],
  'a sandbox of a server on the network': [{}, '{ sandbox: bwrap }', /is for stdio servers/],
};

for (const [what, [record, settings, why]] of Object.entries(UNMET)) {
  test(`a gateway with ${what} does not start [AUTHZ-12]`, LIMITS, () =>
    withPeer(
      issued(),
      record,
      async (bed) => {
        await assert.rejects(bed.start(), { code: 'CONFIG_INVALID', message: why });
      },
      settings === '' ? '' : `upstreams: { scripted: ${settings} }`,
    ),
  );
}

const PLACEHOLDERS = [{ tls_fingerprint: `SHA256:${'A'.repeat(43)}=` }, { spki_pins: [`sha256:${'0'.repeat(64)}`] }];

for (const record of PLACEHOLDERS) {
  test(`outside dev mode a placeholder is no pin: ${Object.keys(record)}`, LIMITS, () =>
    withPeer(
      issued(),
      record,
      async (bed) => {
        const { gateway, started } = await bed.start();
        await gateway.stop();
        const environment = readEnvironment({
          CMCP_POLICY_HASH: started.policyHash,
          CMCP_CATALOG_HASH: started.catalogHash,
        });
        await bed.writeConfig('data: ./production');
        const config = await loadConfig(bed.configFile, environment);
        const production = new Gateway(config, { environment, report: () => undefined, process: quietProcess() });
        await assert.rejects(production.start(), { code: 'CATALOG_INVALID', message: /placeholder for a pin/ });
      },
      '',
    ),
  );
}

test(
  'a pinned server cannot send the gateway elsewhere, and a pin opens no refused address [ATK-28] [G9]',
  LIMITS,
  async (t) => {
    const shown = selfSigned('server');
    const elsewhere = await fakeHttp(t, ({ response }) => answerJson(response, {}), shown);
    const place = elsewhere.transport.kind === 'http' ? elsewhere.transport.url : '';
    const server = await fakeHttp(t, ({ response }) => void response.writeHead(307, { location: place }).end(), shown);
    const pins = { spki: [shown.spki], spiffeId: null, ca: null, placeholder: false };
    const reach = (url: string) =>
      connect(t, { kind: 'http', url, tlsFingerprint: shown.pin, pins }, {}, { ca: [shown.cert] }).call('t');
    const url = server.transport.kind === 'http' ? server.transport.url : '';
    await assert.rejects(reach(url), failsWith('UPSTREAM_UNAVAILABLE'));
    assert.ok(server.received.length > 0);
    assert.equal(elsewhere.received.length, 0);
    await assert.rejects(reach('https://169.254.169.254/mcp'), failsWith('UPSTREAM_UNAVAILABLE', /link-local/));
  },
);

test('cmcp check names what keeps the gateway from meeting a server', LIMITS, () =>
  withPeer(
    issued(),
    { ca: AUTHORITY.digest },
    async (bed) => {
      const { code, stdout } = await cmcpInProcess(['check', '--offline', '--config', bed.configFile], bed.folder);
      assert.equal(code, 1);
      assert.match(stdout, /upstreams\.scripted\.ca: is missing/);
    },
    '',
  ),
);
