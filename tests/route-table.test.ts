import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isObject, type JsonValue } from '@cmcp/evidence';
import { operatorOpenApi } from '@cmcp/gateway';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { SignJWT } from 'jose';
import { mayUse, ROLES, type Role } from '../packages/gateway/src/operator/route.ts';
import { declaredRoutes } from '../packages/gateway/src/operator/routes.ts';
import { AGENT_TOKEN, type TestBed, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { openOperator, operatorWith, socketOf } from './support/operator.ts';
import { sessionFile } from './support/session-files.ts';
import { timed } from './support/timed-gateway.ts';
import { issuerKey, TokenIssuer } from './support/token-issuer.ts';
import { derOf, SERVER, type Svid, TrustDomain } from './support/workloads.ts';

const SOME = '00000000-0000-4000-8000-000000000000';
const REASON = { reason: 'test' };

/** What an operator who may gets, on a gateway that nobody uses. */
interface Row {
  /** Below `/operator/v1/`. */
  route: string;
  body?: unknown;
  status: number;
  /** Actions of the entries that are made before it takes effect, of the nth who may ask (from 0); none: nothing is entered. */
  entered?: (nth: number) => string[];
}

/** Every route of the operator interface, by its name. One that has no row fails. */
const OPERATOR_ROWS: Record<string, Row> = {
  health: { route: 'healthz', status: 200 },
  readiness: { route: 'readyz', status: 200 },
  followEvents: { route: 'events', status: 200 },
  describeInterface: { route: 'openapi.json', status: 200 },
  listSessions: { route: 'sessions', status: 200 },
  showSession: { route: `sessions/${SOME}`, status: 404 },
  exportSession: { route: `sessions/${SOME}/export`, status: 404 },
  exportGateway: { route: 'gateway/export', status: 200, entered: () => ['operator.export'] },
  closeSession: { route: `sessions/${SOME}/close`, body: REASON, status: 404, entered: () => ['operator.close'] },
  resetSession: { route: `sessions/${SOME}/reset`, body: REASON, status: 404 },
  showPolicy: { route: 'policy', status: 200 },
  showShadowPolicy: { route: 'policy/shadow', status: 200 },
  activatePolicy: { route: 'policy/activate', status: 200, entered: () => ['operator.policy_activate'] },
  startShadowPolicy: {
    ...{ route: 'policy/shadow', status: 200 },
    entered: (nth) => [...(nth === 0 ? [] : ['policy.shadow_stopped']), 'policy.shadow_started'],
  },
  stopShadowPolicy: {
    ...{ route: 'policy/shadow/stop', status: 200 },
    entered: (nth) => (nth === 0 ? ['policy.shadow_stopped'] : []),
  },
  revokePolicyKey: {
    ...{ route: 'policy/revoke-key', body: { ...REASON, key_id: 'A'.repeat(43) }, status: 200 },
    entered: () => ['operator.policy_revoke_key'],
  },
  succeedPolicyKey: { route: 'policy/succeed-key', body: { statement: null }, status: 400 },
  listExceptions: { route: 'catalog/exceptions', status: 200 },
  requestException: { route: 'catalog/exceptions', body: REASON, status: 400 },
  confirmException: { route: `catalog/exceptions/${SOME}/confirm`, body: REASON, status: 400 },
  endException: { route: `catalog/exceptions/${SOME}/end`, body: REASON, status: 400 },
  listQuarantine: { route: 'quarantine', status: 200 },
  showQuarantined: { route: `quarantine/${SOME}`, status: 400 },
  releaseQuarantined: { route: `quarantine/${SOME}/release`, body: REASON, status: 400 },
  discardQuarantined: { route: `quarantine/${SOME}/discard`, body: REASON, status: 400 },
  listApprovals: { route: 'approvals', status: 200 },
  showApproval: { route: `approvals/${SOME}`, status: 400 },
  grantApproval: { route: `approvals/${SOME}/grant`, body: REASON, status: 400 },
  refuseApproval: { route: `approvals/${SOME}/refuse`, body: REASON, status: 400 },
  // Its credential is a signature; here no callback is configured that could have made one (tests/approval-channels.test.ts).
  answerByCallback: {
    ...{ route: `approvals/${SOME}/callback`, body: { type: 'approval.answered', data: {} }, status: 404 },
  },
  listBlocks: { route: 'blocks', status: 200 },
  block: {
    ...{ route: 'blocks', body: { ...REASON, scope: 'tool', name: 'none' }, status: 200 },
    entered: () => ['operator.block'],
  },
  liftBlock: { route: `blocks/${SOME}/lift`, body: REASON, status: 400 },
  showLimits: { route: 'limits', status: 200 },
};

/** One operator for each role, and one with all of them. */
const OPERATORS: Record<string, readonly Role[]> = {
  ...Object.fromEntries(ROLES.map((role) => [role, [role]])),
  all: ROLES,
};
const tokenOf = (operator: string): string => `${operator}-token-of-the-tests`;
const CONFIG = `operator: { credentials: [${Object.entries(OPERATORS)
  .map(([name, roles]) => operatorWith(name, tokenOf(name), roles))
  .join(', ')}] }`;

type Credential = Record<string, string | string[]>;
const bearer = (token: string): Credential => ({ authorization: `Bearer ${token}` });

/** Credentials that are nobody's, at either listener. `good`: a token that would open it. */
const nobodys = (good: string): Record<string, Credential> => ({
  none: {},
  malformed: { authorization: 'Bearer' },
  'a token nobody holds': bearer('nobodys-token'),
  'another scheme': { authorization: `Basic ${good}` },
  'two headers': { authorization: [`Bearer ${good}`, `Bearer ${good}`] },
  'two tokens in one': bearer(`${good}, Bearer ${good}`),
});

/** Credentials of agents, which are recognised at the operator listener to be refused by name: who they are there. */
interface AgentKind {
  credential: Credential;
  /** Shown in the handshake, where there is one. */
  svid?: Svid;
  subject: string;
  source: string;
}

const AUDIENCE = 'https://gateway.example/mcp';
const [key, stranger] = await Promise.all([issuerKey('one'), issuerKey('one')]);
const issuer = await new TokenIssuer([key]).listen();
after(() => issuer.close());
const WORKLOAD = 'spiffe://example.org/agents/research';
const DOMAIN = new TrustDomain('example.org');
const [svidKey, otherKey] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' })) as [KeyPair, KeyPair];
type KeyPair = ReturnType<typeof generateKeyPairSync> & { privateKey: KeyObject; publicKey: KeyObject };
const BUNDLE = {
  keys: [
    { use: 'x509-svid', kty: 'EC', x5c: [derOf(DOMAIN.root.cert).toString('base64')] },
    { ...svidKey.publicKey.export({ format: 'jwk' }), kid: 'svid', use: 'jwt-svid' },
  ],
};
const IDENTITY = [
  'tls: { certificate: ./server.pem, key: ./server.key }',
  `identity: { resource: "${AUDIENCE}", oauth: [{ issuer: "${issuer.url}", subject_prefix: "a/", scopes: ignored }], spiffe: { trust_domains: { example.org: ./bundle.json }, allowed: ["spiffe://example.org/agents/*"], audience: "${AUDIENCE}" } }`,
].join('\n');

/** A bed with operators of each role, and every kind of agent. */
const withEverybody = (run: (bed: TestBed) => Promise<void>): Promise<void> =>
  withBed({ tools: [{ name: 'echo' }], config: `${CONFIG}\n${IDENTITY}` }, async (bed) => {
    const files = { 'server.pem': SERVER.cert, 'server.key': SERVER.key, 'bundle.json': JSON.stringify(BUNDLE) };
    for (const [name, text] of Object.entries(files)) await writeFile(join(bed.folder, name), text);
    await run(bed);
  });

const jwtSvid = (key: KeyObject, exp = 4_000_000_000): Promise<string> =>
  new SignJWT({ sub: WORKLOAD, aud: AUDIENCE, exp }).setProtectedHeader({ alg: 'ES256', kid: 'svid' }).sign(key);

/** Every kind of credential that an agent can have. */
async function agentsAt(now: number): Promise<Record<string, AgentKind>> {
  const token = await issuer.token(AUDIENCE, now);
  return {
    'an agent by bearer token': { credential: bearer(AGENT_TOKEN), subject: 'agent', source: 'bearer' },
    'an agent by access token': { credential: bearer(token), subject: 'a/agent', source: 'oauth' },
    'an agent by JWT-SVID': {
      ...{ credential: bearer(await jwtSvid(svidKey.privateKey)), subject: WORKLOAD, source: 'jwt-svid' },
    },
    'an agent by X509-SVID': {
      ...{ credential: {}, svid: DOMAIN.svid('/agents/research'), subject: WORKLOAD, source: 'svid' },
    },
  };
}

/** What looks like one, and is none. */
async function forgeriesAt(now: number): Promise<Record<string, Credential>> {
  const unsigned = [
    { alg: 'none', typ: 'at+jwt' },
    { iss: issuer.url, aud: AUDIENCE, sub: 'agent', exp: now + 300 },
  ];
  const parts = unsigned.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  return {
    'an access token of nobody': bearer(`${parts.join('.')}.`),
    'a forged one': bearer(await issuer.token(AUDIENCE, now, {}, { key: stranger })),
    'an expired one': bearer(await issuer.token(AUDIENCE, now - 3_600)),
    'one for another': bearer(await issuer.token('https://elsewhere.example', now)),
    'a forged JWT-SVID': bearer(await jwtSvid(otherKey.privateKey)),
    'an expired JWT-SVID': bearer(await jwtSvid(svidKey.privateKey, 1_700_000_000)),
  };
}

const at = (value: JsonValue | undefined, ...path: string[]): JsonValue | undefined =>
  path.reduce<JsonValue | undefined>((found, name) => (isObject(found) ? found[name] : undefined), value);

interface Told {
  status: number;
  text: string;
}

test('every route of the operator listener, asked with every kind of credential, gives its status and its entry [AUTHZ-13] [D-51] [G1]', () =>
  withEverybody(async (bed) => {
    const { gateway, started } = await bed.start();
    const now = Math.floor(Date.now() / 1000);
    // On a Unix socket nobody shows a certificate.
    const agents = Object.entries(await agentsAt(now)).filter(([, { svid }]) => svid === undefined);
    const nobody = { ...nobodys(tokenOf('all')), ...(await forgeriesAt(now)) };
    const routes = declaredRoutes();
    assert.deepEqual(Object.keys(OPERATOR_ROWS).sort(), routes.map(({ operationId }) => operationId).sort());
    const document = operatorOpenApi();
    const ajv = new Ajv2020({ strict: false, logger: false });
    const expected: [string, string, string, string][] = [];
    let unknown = 0;

    for (const declared of routes) {
      const { operationId, method, path } = declared;
      const row = OPERATOR_ROWS[operationId];
      assert.ok(row);
      const open = 'open' in declared;
      const responses = at(document, 'paths', `/operator/v1/${path}`, method.toLowerCase(), 'responses');
      const ask = async (credential: Credential): Promise<Told> => {
        const question = { method, route: row.route, body: row.body, headers: credential };
        const told = await read(await openOperator(socketOf(bed), question));
        assert.ok(at(responses, String(told.status)), `${operationId} does not say that it answers ${told.status}`);
        return told;
      };
      const refusals = Object.entries(nobody).map(async ([kind, credential]) =>
        assert.equal((await ask(credential)).status, open ? row.status : 401, `${operationId}, ${kind}`),
      );
      await Promise.all(refusals);
      if (!open) unknown += refusals.length;
      const route = `/operator/v1/${/^[a-z]+/.exec(row.route)?.[0]}`;
      for (const [kind, { credential, subject, source }] of agents) {
        assert.equal((await ask(credential)).status, open ? row.status : 403, `${operationId}, ${kind}`);
        if (!open) expected.push(['operator.refused', subject, source, `${method} ${route}`]);
      }
      let nth = 0;
      for (const [name, roles] of Object.entries(OPERATORS)) {
        const may = open || roles.some((role) => mayUse(declared, role));
        const { status, text } = await ask(bearer(tokenOf(name)));
        assert.equal(status, may ? row.status : 403, `${operationId}, ${name}: ${text}`);
        if (!may) expected.push(['operator.refused', name, 'bearer', `${method} ${route}`]);
        if (may) for (const action of row.entered?.(nth++) ?? []) expected.push([action, name, 'bearer', '']);
        if (status !== 200 || 'follow' in declared) continue;
        const answer: unknown = JSON.parse(text);
        assert.ok(ajv.validate(declared.answer, answer), `${operationId}: ${JSON.stringify(ajv.errors)} of ${text}`);
      }
    }

    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const entered = bundle.entries.flatMap(({ entry_type, action, caller, caller_source, detail }) => {
      if (entry_type !== 'gateway_event' || caller === null) return [];
      const tried = detail?.route === undefined ? '' : `${detail.method} ${detail.route}`;
      return [[action, caller, caller_source, tried]];
    });
    assert.deepEqual(entered, expected);
    const counted = bundle.entries.filter(({ action }) => action === 'counted');
    assert.deepEqual(
      counted.map(({ detail }) => detail),
      [{ operator_unauthenticated: unknown }],
    );
  }));

/** Status and text; of a stream only its status. */
async function read(response: IncomingMessage): Promise<Told> {
  const status = response.statusCode ?? 0;
  if (response.headers['content-type'] === 'text/event-stream') {
    response.destroy();
    return { status, text: '' };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status, text: Buffer.concat(chunks).toString() };
}

/** What the agents' listener serves, by method and path. `agent`: the status for one, `anybody`: for whoever is none. */
const AGENT_ROWS: [string, string, { agent: number; anybody: number }][] = [
  ['GET', '/healthz', { agent: 200, anybody: 200 }],
  ['GET', '/.well-known/cmcp/attestation', { agent: 400, anybody: 400 }],
  ['POST', '/healthz', { agent: 404, anybody: 404 }],
  ['GET', '/operator/v1/sessions', { agent: 404, anybody: 404 }],
  ['POST', '/mcp', { agent: 415, anybody: 401 }],
  ['GET', '/mcp', { agent: 405, anybody: 401 }],
  ['DELETE', '/mcp', { agent: 405, anybody: 401 }],
  ['PUT', '/mcp', { agent: 405, anybody: 401 }],
];

test("every route of the agents' listener, asked with every kind of credential, gives its status and is counted [AUTHZ-13]", () =>
  withEverybody(async (bed) => {
    const time = new ManualTime();
    const { gateway, started, url } = await bed.start(timed(time));
    const ask = (method: string, path: string, headers: Credential, svid?: Svid): Promise<Told> =>
      askAgentListener(new URL(path, url), method, headers, svid);
    let unknown = 0;
    for (const [method, path, { agent, anybody }] of AGENT_ROWS) {
      // Failures of one address are counted by the minute.
      time.advance(60_000);
      const now = Math.floor(time.nowMicros() / 1e6);
      for (const [kind, { credential, svid }] of Object.entries(await agentsAt(now)))
        assert.equal((await ask(method, path, credential, svid)).status, agent, `${method} ${path}, ${kind}`);
      const foreign = new TrustDomain('example.org').svid('/agents/research');
      assert.equal((await ask(method, path, {}, foreign)).status, anybody, `${method} ${path}, an SVID of nobody's`);
      if (anybody === 401) unknown += 1;
      const others = {
        ...{ ...nobodys(AGENT_TOKEN), 'an operator': bearer(tokenOf('all')) },
        ...(await forgeriesAt(now)),
      };
      for (const [kind, credential] of Object.entries(others)) {
        assert.equal((await ask(method, path, credential)).status, anybody, `${method} ${path}, ${kind}`);
        if (anybody === 401) unknown += 1;
      }
    }
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const counts = bundle.entries
      .filter(({ action }) => action === 'counted')
      .map(({ detail }) => detail?.unauthenticated);
    assert.equal(
      counts.reduce<number>((sum, count) => sum + Number(count ?? 0), 0),
      unknown,
    );
    const named = bundle.entries.filter(({ entry_type, caller }) => entry_type === 'gateway_event' && caller !== null);
    assert.deepEqual(named, [], 'nobody is entered by a name that nobody proved');
  }));

async function askAgentListener(url: URL, method: string, headers: Credential, svid?: Svid): Promise<Told> {
  const sent = request(url, { method, headers, agent: false, ca: SERVER.cert, ...svid }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return read(response);
}
