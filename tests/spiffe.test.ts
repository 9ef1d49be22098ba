import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import type { GatewayDeps, StartedGateway } from '@cmcp/gateway';
import { type CertificateTerms, certificate } from './support/certificate.ts';
import { AGENT_TOKEN, type TestBed, withBed } from './support/gateway.ts';
import { modern } from './support/ingress.ts';
import { ManualTime } from './support/manual-time.ts';
import { sessionFile } from './support/session-files.ts';
import {
  type Answered,
  authority,
  call,
  GOOD,
  ISSUES,
  SERVER,
  SIGNS,
  type Svid,
  TrustDomain,
} from './support/workloads.ts';

const LIMITS = { timeout: 60_000 };
const OURS = new TrustDomain('example.org');
const THEIRS = new TrustDomain('partner.example');
const RESEARCH = OURS.svid('/agents/research');
const POLICY = {
  'svid.cedar': [
    'permit (principal, action in Action::"call_tool", resource) when { context.caller.source == "svid" && principal == Agent::"spiffe://example.org/agents/research" };',
    'permit (principal == Agent::"agent", action in Action::"call_tool", resource) when { context.caller.source == "bearer" };',
  ].join('\n'),
};
const IDENTITY =
  'identity: { spiffe: { trust_domains: { example.org: ./ours.pem, partner.example: ./theirs.pem }, allowed: ["spiffe://example.org/agents/*", "spiffe://partner.example/job"] } }';
const TLS = 'tls: { certificate: ./server.pem, key: ./server.key }';

/** A gateway that takes workloads of two trust domains. */
async function withGateway(
  run: (url: URL, bed: TestBed, reload: () => Promise<unknown>, started: StartedGateway) => Promise<void>,
  config = `${TLS}\n${IDENTITY}`,
  deps: Partial<GatewayDeps> = {},
): Promise<void> {
  await withBed({ tools: [{ name: 'echo' }], policies: POLICY, config, deps }, async (bed) => {
    const write = (name: string, text: string): Promise<void> => writeFile(join(bed.folder, name), text);
    await write('server.pem', SERVER.cert);
    await write('server.key', SERVER.key);
    await write('ours.pem', OURS.root.cert);
    await write('theirs.pem', THEIRS.root.cert);
    const { url, gateway, started } = await bed.start();
    await run(url, bed, () => gateway.reload(), started);
  });
}

test(
  'a workload is the caller that its X509-SVID names, and others need a token as before [AUTHZ-12]',
  LIMITS,
  async () => {
    await withGateway(async (url, bed, _reload, started) => {
      assert.deepEqual(await call(url, RESEARCH), { status: 200, allowed: true, code: null, reused: false });
      assert.equal((await call(url, OURS.svid('/agents/other'))).code, 'POLICY_DENY', 'known, and another agent');
      assert.equal((await call(url, THEIRS.svid('/job'))).code, 'POLICY_DENY');
      assert.equal((await call(url, null, { token: AGENT_TOKEN })).allowed, true, 'a token without a certificate');
      const plain = certificate('laptop', { nowhere: true, usage: SIGNS, uris: ['https://laptop.example/'] });
      assert.equal(
        (await call(url, plain, { token: AGENT_TOKEN })).allowed,
        true,
        'a certificate that is no SVID says nothing',
      );
      for (const shown of [null, plain]) assert.equal((await call(url, shown)).status, 401);
      assert.equal((await call(url, RESEARCH, { token: AGENT_TOKEN })).status, 401, 'two callers in one request');
      await bed.stop();
      const files = (await readdir(started.sessionsFolder)).map((name) => name.replace('.cmcp.json', ''));
      const sessions = await Promise.all(files.map((id) => sessionFile(started, id)));
      const callers = sessions.flatMap(({ bundle }) =>
        bundle.entries
          .filter((entry) => entry.entry_type === 'tool_call')
          .map((each) => [each.caller, each.caller_source]),
      );
      assert.deepEqual(callers.sort().slice(-2), [
        ['spiffe://example.org/agents/research', 'svid'],
        ['spiffe://partner.example/job', 'svid'],
      ]);
    });
  },
);

/** So that the client does not refuse to show what it has. */
const ANY_CERTIFICATE = { ciphers: 'DEFAULT@SECLEVEL=0' };

/** Each is good but for one thing. */
const HOSTILE: Record<string, () => Svid> = {
  'signed by itself': () => certificate('self', { ...GOOD, uris: ['spiffe://example.org/agents/research'] }),
  'of a stranger under the name of our authority': () => {
    const stranger = authority(OURS.issuing.name);
    return OURS.svid('/agents/research', { issuer: stranger });
  },
  'of the authority of another trust domain': () => {
    const { cert, key } = certificate('workload', {
      ...GOOD,
      uris: ['spiffe://example.org/agents/research'],
      issuer: THEIRS.issuing,
    });
    return { cert: cert + THEIRS.issuing.cert, key };
  },
  expired: () => OURS.svid('/agents/research', { until: '20250101000000Z' }),
  'not yet valid': () => OURS.svid('/agents/research', { from: '20990101000000Z' }),
  'of an authority that expired': () => {
    const issuer = authority('old', { issuer: OURS.root, until: '20250101000000Z' });
    return below(issuer);
  },
  'that may issue others': () => OURS.svid('/agents/research', { authority: true }),
  'without a key usage': () => OURS.svid('/agents/research', { usage: undefined } as object),
  'whose key may not sign': () => OURS.svid('/agents/research', { usage: 0x20 }),
  'whose key may sign certificates': () => OURS.svid('/agents/research', { usage: SIGNS | 0x04 }),
  'whose key may sign lists': () => OURS.svid('/agents/research', { usage: SIGNS | 0x02 }),
  'for servers alone': () => OURS.svid('/agents/research', { purposes: ['server'] }),
  'with two ids': () =>
    OURS.svid('', { uris: ['spiffe://example.org/agents/research', 'spiffe://example.org/agents/other'] }),
  'with the same id twice': () =>
    OURS.svid('', { uris: ['spiffe://example.org/agents/research', 'spiffe://example.org/agents/research'] }),
  'with another URI besides': () =>
    OURS.svid('', { uris: ['spiffe://example.org/agents/research', 'https://example.org/'] }),
  'with another URI in front': () =>
    OURS.svid('', { uris: ['https://example.org/', 'spiffe://example.org/agents/research'] }),
  'with a query': () => OURS.svid('/agents/research?x=1'),
  'with a fragment': () => OURS.svid('/agents/research#x'),
  'with a port': () => OURS.svid('', { uris: ['spiffe://example.org:443/agents/research'] }),
  'with a user': () => OURS.svid('', { uris: ['spiffe://root@example.org/agents/research'] }),
  'with a path that climbs': () => OURS.svid('/agents/../agents/research'),
  'with an escaped path': () => OURS.svid('/agents/resear%63h'),
  'with an empty segment': () => OURS.svid('/agents//research'),
  'with a slash at its end': () => OURS.svid('/agents/research/'),
  'in capitals': () => OURS.svid('', { uris: ['SPIFFE://example.org/agents/research'] }),
  'of the trust domain itself': () => OURS.svid(''),
  'of an id that is not allowed': () => OURS.svid('/servers/research'),
  'of an id that only begins like an allowed path': () => OURS.svid('/agents-of-others/research'),
  'of what is below an allowed id': () => THEIRS.svid('/job/below'),
  'of a trust domain that is not configured': () => new TrustDomain('elsewhere.example').svid('/agents/research'),
  'under an intermediate that is no authority': () =>
    below(authority('weak', { issuer: OURS.issuing, authority: false, usage: ISSUES }), OURS.issuing),
  'under a workload of ours': () => below({ ...OURS.svid('/agents/research'), name: 'workload' }, OURS.issuing),
  'under an intermediate that does not say that it issues': () =>
    below(authority('mute', { issuer: OURS.root, usage: undefined } as object)),
  'under an intermediate for servers': () => below(authority('servers', { issuer: OURS.root, purposes: ['server'] })),
  'under an intermediate that is bound to names': () =>
    below(authority('bound', { issuer: OURS.root, constrained: true })),
  'under more intermediates than their authority allows': () => {
    const last = authority('last', { issuer: OURS.root, pathLength: 0 });
    return below(authority('one more', { issuer: last }), last);
  },
  'behind more certificates than a chain has': () => {
    const { cert, key } = certificate('workload', {
      ...GOOD,
      uris: ['spiffe://example.org/agents/research'],
      issuer: OURS.issuing,
    });
    return { cert: cert + THEIRS.root.cert.repeat(16) + OURS.issuing.cert, key };
  },
  'whose issuer signed over SHA-1': () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return below(authority('old', { issuer: OURS.root, key }), undefined, { sha1: true });
  },
  'without its intermediate': () => {
    const { cert, key } = OURS.svid('/agents/research');
    return { cert: cert.slice(0, cert.indexOf('-----END CERTIFICATE-----\n') + 26), key };
  },
};

/** A research agent of ours under another authority. */
function below(
  issuer: { cert: string; key: string; name: string },
  above?: { cert: string },
  more: CertificateTerms = {},
): Svid {
  const terms = {
    ...GOOD,
    uris: ['spiffe://example.org/agents/research'],
    issuer: { pin: '', spki: '', digest: '', ...issuer },
    ...more,
  };
  const leaf = certificate('workload', terms);
  return { cert: leaf.cert + issuer.cert + (above?.cert ?? ''), key: leaf.key };
}

test('a certificate that is not the X509-SVID of who may call names nobody [AUTHZ-12]', LIMITS, async () => {
  await withGateway(async (url) => {
    const cases = Object.entries(HOSTILE);
    const outcomes = await Promise.all(
      cases.map(async ([which, make], index) => [
        which,
        (await call(url, make(), { from: `127.0.1.${index + 1}`, options: ANY_CERTIFICATE })).status,
      ]),
    );
    assert.deepEqual(Object.fromEntries(outcomes), Object.fromEntries(cases.map(([which]) => [which, 401])));
    assert.equal(
      (await call(url, below(authority('good', { issuer: OURS.root })))).allowed,
      true,
      'the same, with nothing wrong',
    );
  });
});

test(
  'a bundle that lost an authority ends what it let in, on connections that are open [AUTHZ-12]',
  LIMITS,
  async () => {
    const time = new ManualTime();
    await withGateway(
      async (url, bed, reload, started) => {
        const agent = new Agent({ ca: SERVER.cert, keepAlive: true, maxSockets: 1, ...RESEARCH });
        const ask = (): Promise<Answered> => call(url, null, { agent });
        assert.equal((await ask()).allowed, true);
        assert.deepEqual(await ask(), { status: 200, allowed: true, code: null, reused: true });
        const write = (text: string): Promise<void> => writeFile(join(bed.folder, 'ours.pem'), text);
        await write(`${OURS.root.cert}no more`.replace('-----END', '-----'));
        await assert.rejects(reload(), /TLS_INVALID.*ours\.pem is no trust bundle/);
        assert.equal((await ask()).allowed, true, 'a file that is no good changes nothing');
        const next = new TrustDomain('example.org');
        await write(next.root.cert);
        const { over } = await listening(url, RESEARCH);
        const replaced = bed.reported('identity.bundle_changed the trust bundle of example.org');
        time.advance(10_000);
        await Promise.all([replaced, over]);
        assert.deepEqual(await ask(), { status: 401, allowed: false, code: 'UNAUTHENTICATED', reused: true });
        assert.equal((await call(url, next.svid('/agents/research'))).allowed, true);
        await write(next.root.cert + OURS.root.cert);
        await reload();
        assert.deepEqual(await ask(), { status: 200, allowed: true, code: null, reused: true });
        agent.destroy();
        await bed.stop();
        const { bundle } = await sessionFile(started, started.gatewaySession);
        const entered = bundle.entries
          .filter(({ action }) => action === 'identity.trust_bundle')
          .map(({ detail }) => detail);
        assert.deepEqual(
          entered.map((detail) => detail?.trust_domain),
          ['example.org', 'partner.example', 'example.org', 'example.org'],
        );
        assert.equal(new Set(entered.map((detail) => detail?.bundle_hash)).size, 4);
      },
      `${TLS}\n${IDENTITY}`,
      { clock: time, timers: time },
    );
  },
);

test(
  'an SVID that expires ends the identity of a connection that is open; without any authority in force nobody can say [AUTHZ-12]',
  LIMITS,
  async () => {
    const time = new ManualTime();
    await withGateway(
      async (url, bed, reload) => {
        const agents = ['20260101001000Z', '20260101003000Z'].map(
          (until) =>
            new Agent({
              ca: SERVER.cert,
              keepAlive: true,
              maxSockets: 1,
              ...OURS.svid('/agents/research', { until }),
            }),
        );
        const statuses = (): Promise<number[]> =>
          Promise.all(agents.map(async (agent) => (await call(url, null, { agent })).status));
        assert.deepEqual(await statuses(), [200, 200]);
        time.advance(600_000);
        assert.deepEqual(await statuses(), [200, 200], 'the last second is inside');
        time.advance(1_000);
        assert.deepEqual(await statuses(), [401, 200]);
        await writeFile(join(bed.folder, 'ours.pem'), authority('old', { until: '20251231000000Z' }).cert);
        await reload();
        assert.deepEqual(await statuses(), [503, 503]);
        for (const agent of agents) agent.destroy();
      },
      `${TLS}\n${IDENTITY}`,
      { clock: time, timers: time },
    );
  },
);

test('no connection resumes another, so that each one shows its own certificate [AUTHZ-12]', LIMITS, async () => {
  await withGateway(async (url) => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { port: Number(url.port), ca: SERVER.cert, maxVersion };
      const { session } = await exchanged({ ...options, ...RESEARCH });
      const { reused, answer } = await exchanged({ ...options, ...(session && { session }) });
      assert.equal(reused, false);
      assert.match(answer, /^HTTP\/1\.1 401 /);
    }
  });
});

/** Holds a stream open with an SVID; `over` resolves when the gateway ends it. */
async function listening(url: URL, svid: Svid): Promise<{ over: Promise<unknown> }> {
  const agent = new Agent({ ca: SERVER.cert, ...svid });
  const { body, headers } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } });
  const accepted = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };
  const posted = request(url, { method: 'POST', agent, headers: { ...accepted, ...headers } });
  posted.end(JSON.stringify(body));
  const [response] = await once(posted, 'response');
  assert.equal(response.statusCode, 200);
  await once(response, 'data');
  return { over: once(response, 'end').finally(() => agent.destroy()) };
}

test('what is held open with an SVID ends with it, as with any credential [AUTHZ-12] [LIFE-08]', LIMITS, async () => {
  const time = new ManualTime();
  const run = async (url: URL): Promise<void> => {
    const { over } = await listening(url, OURS.svid('/agents/research', { until: '20260101000100Z' }));
    time.advance(61_000);
    await over;
  };
  await withGateway(run, `${TLS}\n${IDENTITY}`, { clock: time, timers: time });
});

test('where certificates are demanded, an SVID has to be of those authorities too [AUTHZ-12]', LIMITS, async () => {
  const mutual = TLS.replace(' }', ', client_ca: ./ours.pem }');
  const run = async (url: URL, bed: TestBed, reload: () => Promise<unknown>): Promise<void> => {
    assert.equal((await call(url, OURS.svid('/agents/research', { issuer: OURS.root }))).allowed, true);
    assert.equal((await call(url, OURS.svid('/servers/x', { issuer: OURS.root }))).status, 401, 'not yet a caller');
    for (const other of [null, THEIRS.svid('/job')])
      await assert.rejects(call(url, other, { token: AGENT_TOKEN }), /certificate required|alert|ECONNRESET|socket/);
    // What it sent between leaf and root is gone once TLS itself has accepted it.
    assert.equal((await call(url, RESEARCH)).status, 401);
    await writeFile(join(bed.folder, 'ours.pem'), OURS.root.cert + OURS.issuing.cert);
    await reload();
    assert.equal((await call(url, RESEARCH)).allowed, true);
  };
  await withGateway(run, `${mutual}\n${IDENTITY}`);
});

/** A request on a connection of its own, with the session that could be resumed after it. */
async function exchanged(
  options: ConnectionOptions,
): Promise<{ session: Buffer | undefined; reused: boolean; answer: string }> {
  const socket = connect({ host: '127.0.0.1', ...options });
  let session: Buffer | undefined;
  socket.on('session', (given) => {
    session = given;
  });
  await once(socket, 'secureConnect');
  socket.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n');
  const [answer] = await once(socket, 'data');
  const reused = socket.isSessionReused();
  session ??= socket.getSession();
  socket.destroy();
  return { session, reused, answer: String(answer) };
}

test('a configuration of SPIFFE that cannot work refuses to start [AUTHZ-12]', LIMITS, async () => {
  const refusals: [string, RegExp][] = [
    [IDENTITY, /identity\.spiffe: a workload shows its certificate in a TLS handshake; set `tls`/],
    [`${TLS}\n${IDENTITY.replace('./theirs.pem', './server.key')}`, /TLS_INVALID.*server\.key is no trust bundle/],
    [
      `${TLS}\n${IDENTITY.replace('./theirs.pem', './nowhere.pem')}`,
      /TLS_INVALID.*nowhere\.pem cannot be read \(ENOENT\)/,
    ],
    [`${TLS}\n${IDENTITY.replace('./theirs.pem', './large.pem')}`, /TLS_INVALID.*large\.pem is larger than/],
    [`${TLS}\n${IDENTITY.replace('./theirs.pem', './plain.pem')}`, /TLS_INVALID.*not that of an authority/],
    [
      `${TLS}\n${IDENTITY.replace('./theirs.pem', 'null')}`,
      /trust_domains\.partner\.example: needs a `bundle`, or `workload_api`/,
    ],
    [
      `${TLS}\n${IDENTITY.replace('partner.example/job', 'other.example/job')}`,
      /allowed\[1\]: other\.example is not one of/,
    ],
    [`${TLS}\n${IDENTITY.replace('/agents/*', '/agents*')}`, /allowed\[0\]: expected a SPIFFE ID/],
    [
      `${TLS}\n${IDENTITY.replace('"spiffe://example.org/agents/*", "spiffe://partner.example/job"', '')}`,
      /allowed: names nobody/,
    ],
    [`${TLS}\n${IDENTITY.replace(' } }', ', workload_api: "unix:///run/a.sock" } }')}`, /workload_api: is not used/],
    [`${TLS}\n${IDENTITY.replace(' } }', ', workload_api: "tcp://127.0.0.1:8000" } }')}`, /expected a Unix socket/],
  ];
  await withBed({ tools: [{ name: 'echo' }] }, async (bed) => {
    await writeFile(join(bed.folder, 'server.pem'), SERVER.cert);
    await writeFile(join(bed.folder, 'server.key'), SERVER.key);
    await writeFile(join(bed.folder, 'ours.pem'), OURS.root.cert);
    await writeFile(join(bed.folder, 'plain.pem'), RESEARCH.cert);
    await writeFile(join(bed.folder, 'large.pem'), OURS.root.cert.padEnd(1_048_577));
    for (const [config, problem] of refusals) {
      await bed.writeConfig(config);
      await assert.rejects(bed.start(), problem, config);
    }
    await writeFile(join(bed.folder, 'theirs.pem'), THEIRS.root.cert);
    await bed.writeConfig(`${TLS}\n${IDENTITY}\nagents: []\nstdio: {}`);
    const { url } = await bed.start();
    assert.equal((await call(url, RESEARCH)).allowed, true, 'workloads alone are somebody who may call');
  });
});
