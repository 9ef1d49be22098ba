import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { selfSigned } from './support/certificate.ts';
import { OPERATOR_TOKEN, TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { askOperator, openOperator, operatorWith } from './support/operator.ts';
import { sessionFile } from './support/session-files.ts';
import { dpopProof, issuerKey, TokenIssuer } from './support/token-issuer.ts';

const RESOURCE = 'https://operate.example:9443';
const now = (): number => Math.floor(Date.now() / 1000);

test('an access token of the issuer, for the operator interface, is an operator’s as far as its groups say [AUTHZ-03] [AUTHZ-13]', async (t) => {
  const [key, other] = await Promise.all([issuerKey('one'), issuerKey('one')]);
  const issuer = await new TokenIssuer([key]).listen();
  t.after(() => issuer.close());
  const server = selfSigned('server');
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  t.after(() => bed.close());
  await writeFile(join(bed.folder, 'op.pem'), server.cert);
  await writeFile(join(bed.folder, 'op.key'), server.key);
  const agents = `{ issuer: "${issuer.url}", audience: agents, subject_prefix: "a/", scopes: ignored }`;
  const grants = '[{ group: sre, roles: [operator] }, { group: audit, roles: [auditor] }]';
  const operators = `{ issuer: "${issuer.url}", resource: "${RESOURCE}", groups_claim: groups, subject_prefix: "o/", grants: ${grants} }`;
  await bed.writeConfig(
    `identity: { resource: "https://gateway.example/mcp", oauth: [${agents}] }\n` +
      `operator: { credentials: [${operatorWith('op', OPERATOR_TOKEN)}], listen: "127.0.0.1:0", tls: { certificate: ./op.pem, key: ./op.key }, oidc: ${operators} }`,
  );
  const { gateway, started } = await bed.start();
  const place = { host: '127.0.0.1', port: Number(new URL(started.operatorUrl ?? '').port), ca: server.cert };
  const close = 'sessions/00000000-0000-4000-8000-000000000000/close';
  const ask = async (token: string, route = 'sessions'): Promise<[number, unknown]> => {
    const { status, body } = await askOperator(place, { method: route === close ? 'POST' : 'GET', route, token });
    return [status, body.error_code];
  };
  const token = (
    claims: Record<string, unknown> = {},
    how: Parameters<TokenIssuer['token']>[3] = {},
  ): Promise<string> => issuer.token(RESOURCE, now(), { sub: 'anna', groups: ['sre'], ...claims }, how);

  const anna = await token();
  assert.deepEqual(await ask(anna), [200, undefined]);
  assert.deepEqual(await ask(anna, close), [404, 'SESSION_UNKNOWN'], 'it may, and there is none');
  assert.deepEqual(await ask(await token({ groups: ['audit', 'staff'] })), [200, undefined]);
  assert.deepEqual(await ask(await token({ groups: ['audit'] }), close), [403, 'FORBIDDEN']);
  assert.deepEqual(await ask(await token({ groups: [] })), [403, 'FORBIDDEN'], 'known, and may nothing');
  assert.deepEqual(await ask(await issuer.token('agents', now())), [403, 'FORBIDDEN'], 'an agent, by name');
  for (const bad of [
    await token({}, { key: other }),
    await token({ exp: now() - 60 }),
    await token({ aud: 'https://elsewhere.example' }),
    await token({ act: { sub: 'bot' } }),
    await token({ cnf: { jkt: 'x' } }),
    await token({ groups: 'sre' }),
    await token({}, { header: { typ: 'JWT' } }),
    `${anna}x`,
  ])
    assert.deepEqual(await ask(bad), [401, 'UNAUTHENTICATED'], bad);
  const holder = await issuerKey('holder');
  const bound = await token({ cnf: { jkt: await calculateJwkThumbprint(holder.jwk) } });
  const headers = {
    authorization: `DPoP ${bound}`,
    dpop: await dpopProof(holder, bound, RESOURCE, now(), { htm: 'GET' }),
  };
  const shown = await askOperator(place, { method: 'GET', route: 'sessions', headers });
  assert.deepEqual([shown.status, shown.body.error_code], [401, 'UNAUTHENTICATED'], 'bound to a key, with its proof');
  assert.deepEqual(await ask(OPERATOR_TOKEN), [200, undefined]);

  await gateway.stop();
  const { bundle } = await sessionFile(started, started.gatewaySession);
  const entered = bundle.entries.filter(({ action }) => action?.startsWith('operator.'));
  assert.deepEqual(
    entered.map(({ action, caller, caller_source, detail }) => [action, caller, caller_source, detail?.operator_roles]),
    [
      ['operator.close', 'o/anna', 'oidc', 'operator'],
      ['operator.refused', 'o/anna', 'oidc', 'auditor'],
      ['operator.refused', 'o/anna', 'oidc', ''],
      ['operator.refused', 'a/agent', 'oauth', undefined],
    ],
  );
});

test('who follows events with a token is told nothing more once it has expired', async (t) => {
  const issuer = await new TokenIssuer([await issuerKey('one')]).listen();
  t.after(() => issuer.close());
  const server = selfSigned('server');
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  t.after(() => bed.close());
  await writeFile(join(bed.folder, 'op.pem'), server.cert);
  await writeFile(join(bed.folder, 'op.key'), server.key);
  const oidc = `{ issuer: "${issuer.url}", resource: "${RESOURCE}", groups_claim: groups, grants: [{ group: sre, roles: [viewer] }] }`;
  await bed.writeConfig(
    `operator: { listen: "127.0.0.1:0", tls: { certificate: ./op.pem, key: ./op.key }, oidc: ${oidc} }`,
  );
  const time = new ManualTime();
  const { started } = await bed.start({ timers: time, clock: time });
  const place = { host: '127.0.0.1', port: Number(new URL(started.operatorUrl ?? '').port), ca: server.cert };
  const token = await issuer.token(RESOURCE, time.nowMicros() / 1e6, { groups: ['sre'] });
  const stream = await openOperator(place, { route: 'events', token });
  assert.equal(stream.statusCode, 200);
  const ended = assert.rejects(once(stream.resume(), 'end'), { code: 'ECONNRESET' });
  time.advance(300_000);
  await ended;
});

test('while the issuer is away its operators are told so, and others are not concerned', async (t) => {
  const issuer = await new TokenIssuer([await issuerKey('one')]).listen();
  const server = selfSigned('server');
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  t.after(() => bed.close());
  await writeFile(join(bed.folder, 'op.pem'), server.cert);
  await writeFile(join(bed.folder, 'op.key'), server.key);
  const operators = `{ issuer: "${issuer.url}", resource: "${RESOURCE}", groups_claim: groups, grants: [] }`;
  await bed.writeConfig(
    `operator: { credentials: [${operatorWith('op', OPERATOR_TOKEN)}], listen: "127.0.0.1:0", tls: { certificate: ./op.pem, key: ./op.key }, oidc: ${operators} }`,
  );
  const { started } = await bed.start();
  const token = await issuer.token(RESOURCE, now(), { groups: [] });
  await issuer.close();
  const place = { host: '127.0.0.1', port: Number(new URL(started.operatorUrl ?? '').port), ca: server.cert };
  const away = await askOperator(place, { route: 'sessions', token });
  assert.deepEqual([away.status, away.body.error_code], [503, 'IDENTITY_UNAVAILABLE']);
  assert.equal((await askOperator(place, { route: 'sessions', token: OPERATOR_TOKEN })).status, 200);
});
