import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { ALLOW_ALL, type TestBed, withBed } from './support/gateway.ts';
import { entry, field, WorkloadAgent } from './support/workload-agent.ts';
import { type Answered, call, derOf, SERVER, TrustDomain } from './support/workloads.ts';

const LIMITS = { timeout: 60_000 };
const OURS = new TrustDomain('example.org');
const THEIRS = new TrustDomain('partner.example');
const AUDIENCE = 'https://gateway.example/mcp';
const KEYS = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** What an agent says of the authorities of trust domains. */
const authorities = (...domains: TrustDomain[]): Buffer =>
  Buffer.concat(domains.map(({ name, root }) => entry(2, `spiffe://${name}`, derOf(root.cert))));

/** As SPIRE writes them: without a use. */
const jwtKeys = (kid: string, key: KeyObject): Buffer =>
  entry(1, 'spiffe://example.org', JSON.stringify({ keys: [{ ...key.export({ format: 'jwk' }), kid }] }));

const token = (kid: string): Promise<string> =>
  new SignJWT({ sub: 'spiffe://example.org/agents/research', aud: AUDIENCE, exp: 4_000_000_000 })
    .setProtectedHeader({ alg: 'ES256', kid })
    .sign(KEYS.privateKey);

async function withAgent(run: (url: URL, agent: WorkloadAgent, bed: TestBed) => Promise<void>): Promise<void> {
  await withBed({ tools: [{ name: 'echo' }], policies: ALLOW_ALL }, async (bed) => {
    const agent = new WorkloadAgent(join(bed.folder, 'agent.sock'));
    await agent.start();
    await writeFile(join(bed.folder, 'server.pem'), SERVER.cert);
    await writeFile(join(bed.folder, 'server.key'), SERVER.key);
    await bed.writeConfig(
      [
        'tls: { certificate: ./server.pem, key: ./server.key }',
        'identity:',
        '  spiffe:',
        '    trust_domains: { example.org: , partner.example: }',
        `    workload_api: unix://${agent.socket}`,
        '    allowed: ["spiffe://example.org/agents/*", "spiffe://partner.example/*"]',
        `    audience: ${AUDIENCE}`,
      ].join('\n'),
    );
    try {
      const { url } = await bed.start();
      await run(url, agent, bed);
      await bed.stop();
    } finally {
      await agent.stop();
    }
  });
}

test(
  'bundles come from the Workload API, live, and stay in use while the agent is away [AUTHZ-12]',
  LIMITS,
  async () => {
    await withAgent(async (url, agent, bed) => {
      const open = new Agent({ ca: SERVER.cert, keepAlive: true, maxSockets: 1, ...OURS.svid('/agents/research') });
      const ask = (): Promise<Answered> => call(url, null, { agent: open });
      const partner = THEIRS.svid('/job');
      assert.deepEqual(await ask(), { status: 503, allowed: false, code: 'IDENTITY_UNAVAILABLE', reused: false });
      const told = async (what: string, change: () => unknown): Promise<void> => {
        bed.reports.length = 0;
        await change();
        await bed.reported(what);
      };
      const ours = 'identity.bundle_changed the trust bundle of example.org';
      const theirs = 'identity.bundle_changed the trust bundle of partner.example';
      await told(`${ours} is sha256:`, () => agent.say('FetchX509Bundles', authorities(OURS)));
      assert.equal((await ask()).allowed, true);
      assert.equal((await call(url, partner)).status, 503, 'nothing is known of the other one');
      await told(`${theirs} is sha256:`, () => agent.say('FetchX509Bundles', authorities(OURS, THEIRS)));
      assert.equal((await call(url, partner)).allowed, true);
      await told('IDENTITY_UNAVAILABLE the Workload API (FetchX509Bundles)', () => agent.stop());
      assert.equal((await ask()).allowed, true);
      const next = new TrustDomain('example.org');
      agent.say('FetchX509Bundles', authorities(next));
      await told(`${ours} is sha256:`, () => agent.start());
      assert.deepEqual(await ask(), { status: 401, allowed: false, code: 'UNAUTHENTICATED', reused: true });
      assert.equal((await call(url, partner)).status, 503, 'what is left out is withdrawn');
      assert.equal((await call(url, next.svid('/agents/research'))).allowed, true);
      assert.equal(agent.forged, 0);
      open.destroy();
    });
  },
);

/** Messages that an agent must not send. */
const MALFORMED: Record<string, Buffer> = {
  'cut short': authorities(OURS).subarray(0, -1),
  'without a bundle': Buffer.alloc(0),
  'of something else': field(7, 'hello'),
  'with a revocation list': Buffer.concat([field(1, 'crl'), authorities(OURS)]),
  'with an empty bundle': entry(2, 'spiffe://example.org', ''),
  'with text for DER': entry(2, 'spiffe://example.org', OURS.root.cert),
  'with a bundle of no authority': entry(
    2,
    'spiffe://example.org',
    derOf(OURS.svid('/agents/x').cert.split('-----END')[0] ?? ''),
  ),
  'under the name of a workload': entry(2, 'spiffe://example.org/agent', derOf(OURS.root.cert)),
  'with a group': Buffer.from([0x1b, 0x1c]),
  'twice of one': Buffer.concat([authorities(OURS), authorities(OURS)]),
};

test(
  'keys of JWT-SVIDs are replaced live; a message that is no good changes nothing and is told [AUTHZ-12]',
  LIMITS,
  async () => {
    await withAgent(async (url, agent, bed) => {
      const ask = async (kid: string): Promise<string | null> =>
        (await call(url, null, { token: await token(kid) })).code;
      const changed = async (message: Buffer): Promise<void> => {
        bed.reports.length = 0;
        agent.say('FetchJWTBundles', message);
        await bed.reported(`identity.bundle_changed the trust bundle of example.org is sha256:`);
      };
      agent.say('FetchX509Bundles', authorities(OURS));
      await bed.reported('identity.bundle_changed the trust bundle of example.org is sha256:');
      assert.equal(await ask('one'), 'IDENTITY_UNAVAILABLE', 'the authorities alone verify no token');
      await changed(jwtKeys('one', KEYS.publicKey));
      assert.deepEqual([await ask('one'), await ask('two')], [null, 'UNAUTHENTICATED']);
      await changed(jwtKeys('two', KEYS.publicKey));
      assert.deepEqual([await ask('one'), await ask('two')], ['UNAUTHENTICATED', null]);
      for (const [which, message] of Object.entries(MALFORMED)) {
        bed.reports.length = 0;
        agent.say('FetchX509Bundles', message);
        await bed.reported('IDENTITY_UNAVAILABLE the Workload API (FetchX509Bundles)');
        assert.equal((await call(url, OURS.svid('/agents/research'))).allowed, true, which);
        // One state is told once: between two of the same kind something good is said.
        agent.say('FetchX509Bundles', authorities(OURS));
      }
      agent.say('FetchX509Bundles', authorities(OURS, THEIRS));
      await bed.reported('identity.bundle_changed the trust bundle of partner.example is sha256:');
    });
  },
);
