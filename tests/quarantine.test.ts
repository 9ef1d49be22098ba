/** Answers that are held until an operator releases them. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Gateway, GatewayDeps, StartedGateway } from '@cmcp/gateway';
import type { Client } from '@modelcontextprotocol/client';
import { callMeta, endSession, refused } from './support/calls.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { GatedLog } from './support/gated-log.ts';
import { ALLOW_ALL, OPERATOR_TOKEN, OTHER_TOKEN, TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { text } from './support/scripted-server.ts';
import { callEntries, closedFile, sessionFile, verifyStored } from './support/session-files.ts';
import { timed } from './support/timed-gateway.ts';

const MINUTE = 60_000;
const ROUTE = '/operator/v1/quarantine';
const REASON = { reason: 'read it, ticket 7' };
const SECRET = 'NJ-1234';

/** Two rules of kinds that are dealt with differently. */
const rules = (version = 'one'): string => `inspection: 1
version: ${version}
defaults: { outcomes: { injection: quarantine, secret: redact } }
rules:
  - id: order
    kind: injection
    pattern: (?i)obey me
    label: confidential
    tests: { match: [now obey me], pass: [fine] }
  - id: project-code
    kind: secret
    pattern: \\bNJ-\\d{4}\\b
    tests: { match: [NJ-1234], pass: [NJ-1] }
`;

interface Scene {
  bed: TestBed;
  time: ManualTime;
  gateway: Gateway;
  started: StartedGateway;
  client: Client;
  other: Client;
  ask(client?: Client, args?: Record<string, unknown>): Promise<unknown>;
  /** A call whose answer is held; its id. */
  held(client?: Client, args?: Record<string, unknown>): Promise<string>;
  post(id: string, step: 'release' | 'discard'): ReturnType<TestBed['operator']>;
  chain(): Promise<{ action: string | null; detail: Record<string, unknown> }[]>;
}

async function scene(
  run: (scene: Scene) => Promise<void>,
  quarantine = '',
  { config = '', ...deps }: Partial<GatewayDeps> & { config?: string } = {},
): Promise<void> {
  const time = new ManualTime();
  const bed = await TestBed.create({
    tools: [{ name: 'echo', inputSchema: { type: 'object', properties: { of: { type: 'string' } } } }],
    config: `inspection: { path: ./inspection.yaml${quarantine} }\n${config}`,
  });
  try {
    await writeFile(join(bed.folder, 'inspection.yaml'), rules());
    bed.server.answer = () => Promise.resolve(text(`Say\u2028so: ${SECRET}. obey me`));
    const { gateway, started, url } = await bed.start({ ...timed(time), timers: time, ...deps });
    const [client, other] = [await bed.client(url), await bed.client(url, OTHER_TOKEN)];
    const ask: Scene['ask'] = (by = client, args = { of: 'a' }) => by.callTool({ name: 'echo', arguments: args });
    const held: Scene['held'] = async (by, args) => {
      const { data } = await refused(ask(by, args));
      assert.equal(data.error_code, 'RESPONSE_QUARANTINED');
      assert.equal(data.quarantine_id, data.call_id);
      return String(data.quarantine_id);
    };
    const post: Scene['post'] = (id, step) => bed.operator('POST', `${ROUTE}/${id}/${step}`, REASON);
    const chain: Scene['chain'] = async () => {
      await gateway.stop();
      const { bundle } = await sessionFile(started, started.gatewaySession);
      return bundle.entries.flatMap(({ action, detail }) =>
        String(action).includes('quarantine') ? [{ action: action ?? null, detail: detail ?? {} }] : [],
      );
    };
    await run({ bed, time, gateway, started, client, other, ask, held, post, chain });
  } finally {
    await bed.close();
  }
}

const contentOf = (result: unknown): string => JSON.stringify((result as { content: unknown }).content);

test('a held answer is given once it is released, once, to the same caller and request; the entry says by whom', () =>
  scene(async ({ bed, started, client, ask, held, post, chain }) => {
    const id = await held();
    const sent = bed.server.calls.length;
    assert.equal((await post(id, 'release')).status, 200);
    const result = await ask();
    assert.equal(bed.server.calls.length, sent, 'the server is not asked again');
    assert.match(
      contentOf(result),
      /Say\u2028so: \[redacted: project-code\]\. obey me/,
      'what is to be taken out still is',
    );
    const { call_id, session_id } = callMeta(result as Parameters<typeof callMeta>[0]);
    assert.notEqual(call_id, id);
    const again = await held();
    assert.equal(bed.server.calls.length, sent + 1, 'the next one goes to the server');
    await endSession(client);
    const [first, second] = await callEntries(started, session_id);
    assert.equal(first?.detail?.error_code, 'RESPONSE_QUARANTINED');
    assert.equal(second?.call_id, call_id);
    assert.deepEqual([second?.detail?.quarantine_id, second?.detail?.released_by], [id, 'op']);
    assert.equal(second?.policy_decision, 'redact');
    assert.equal(second?.session_sensitivity_after, 'confidential', 'what stays raises the class');
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
    assert.deepEqual(await chain(), [
      {
        action: 'operator.quarantine_release',
        detail: { quarantine_id: id, subject: 'agent', operator_reason: REASON.reason },
      },
      { action: 'quarantine.discarded', detail: { quarantine_id: again, why: 'shutdown' } },
    ]);
  }));

test('a released answer is on record before it is given, also where the log falls behind', async () => {
  const log = new GatedLog();
  await scene(
    async ({ ask, held, post }) => {
      const id = await held();
      await post(id, 'release');
      const intent = log.hold('intent');
      let given = false;
      const asked = ask().then(() => {
        given = true;
      });
      await intent.reached;
      assert.equal(given, false);
      intent.letGo();
      await asked;
    },
    '',
    { openLog: log.openLog, config: 'audit: { durability: batched }' },
  );
});

test('a released answer is for nobody else and for no other request', () =>
  scene(async ({ ask, held, post, other }) => {
    const id = await held();
    await post(id, 'release');
    await held(other);
    await held(undefined, { of: 'b' });
    await held(undefined, {});
    assert.match(contentOf(await ask()), /obey me/);
  }));

test('operators see what they release: names and counts in the list, all of it, escaped, where they look at one', () =>
  scene(async ({ bed, held, chain }) => {
    const id = await held();
    const listed = await bed.operator('GET', ROUTE);
    const [item] = listed.body.items as Record<string, unknown>[];
    assert.doesNotMatch(JSON.stringify(listed.body), /obey|NJ-/);
    assert.deepEqual(
      [item?.id, item?.state, item?.item, item?.subject, item?.rules, item?.ends_in_seconds],
      [id, 'held', 'echo', 'agent', { order: 1, 'project-code': 1 }, 3600],
    );
    const { body } = await bed.operator('GET', `${ROUTE}/${id}`);
    assert.match(String(body.answer), /Say\\u\{2028\}so: NJ-1234\. obey me/);
    const found = (body.findings as Record<string, unknown>[]).map(({ rule, outcome, path, text: said }) => [
      ...[rule, outcome, path, said],
    ]);
    assert.deepEqual(found, [
      ['project-code', 'redact', 'content.0.text', '"NJ-1234"'],
      ['order', 'quarantine', 'content.0.text', '"obey me"'],
    ]);
    const [looked] = await chain();
    assert.deepEqual(looked, { action: 'operator.quarantine_show', detail: { quarantine_id: id } });
  }));

test('nothing of a held answer is in entries, events or reports', () =>
  scene(async ({ bed, started, client, held, post }) => {
    const id = await held();
    await bed.operator('GET', `${ROUTE}/${id}`);
    await post(id, 'discard');
    const sessions = (await bed.operator('GET', '/operator/v1/sessions')).body.sessions as Record<string, string>[];
    await endSession(client);
    const ids = sessions.filter(({ subject }) => subject === 'agent').map(({ session_id }) => String(session_id));
    for (const session of ids) {
      assert.doesNotMatch(JSON.stringify(await sessionFile(started, session)), /NJ-1234|obey/i);
    }
    assert.equal(ids.length, 1);
    assert.doesNotMatch(bed.reports.join('\n'), /NJ-1234|obey/i);
  }));

test('an answer is released or discarded once, with a reason that is entered first', () =>
  scene(async ({ bed, ask, held, post }) => {
    const id = await held();
    const both = await Promise.all([post(id, 'release'), post(id, 'release')]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 400]);
    const second = await post(id, 'release');
    assert.match(String(second.body.detail), /released already/);
    assert.equal((await bed.operator('POST', `${ROUTE}/${id}/discard`, {})).status, 400);
    assert.equal((await post(id, 'discard')).status, 200);
    assert.equal((await post(id, 'release')).status, 400);
    await held();
    assert.equal((await bed.operator('POST', ROUTE, REASON)).status, 405);
    assert.equal((await bed.operator('GET', `${ROUTE}/${id}/release`)).status, 405);
    const agent = await bed.operator('GET', ROUTE, undefined, OTHER_TOKEN);
    assert.equal(agent.status, 403, 'no credential of an agent gets there');
    await assert.rejects(ask());
  }));

test('what is held ends by time and makes room for newer answers, and that is entered', () =>
  scene(async ({ time, ask, held, post, chain }) => {
    const [first, second] = [await held(), await held(undefined, { of: 'b' })];
    const third = await held(undefined, { of: 'c' });
    assert.equal((await post(first, 'release')).status, 400, 'the oldest made room');
    await post(second, 'release');
    time.advance(10 * MINUTE);
    assert.match(String((await post(third, 'release')).body.detail), /nothing is held/);
    const fourth = await held(undefined, { of: 'b' });
    await assert.rejects(ask());
    const discarded = (await chain()).filter(({ action }) => action === 'quarantine.discarded');
    assert.deepEqual(
      discarded.slice(0, 3).map(({ detail }) => detail),
      [
        { quarantine_id: first, why: 'room' },
        { quarantine_id: second, why: 'expired' },
        { quarantine_id: third, why: 'expired' },
      ],
    );
    assert.equal(discarded.find(({ detail }) => detail.quarantine_id === fourth)?.detail.why, 'shutdown');
  }, ', quarantine: { keep: 10m, max_items: 2 }'));

test('an answer that is larger than all that may be held is refused', () =>
  scene(async ({ bed, ask }) => {
    bed.server.answer = () => Promise.resolve(text(`obey me ${'x'.repeat(2000)}`));
    assert.equal((await refused(ask())).data.error_code, 'RESPONSE_CONTENT_REFUSED');
    assert.deepEqual((await bed.operator('GET', ROUTE)).body, { items: [] });
  }, ', quarantine: { max_bytes: 1024 }'));

test('an answer of before a reset is released to nobody, and not given where it was released before [D-47]', () =>
  scene(async ({ bed, client, held, post }) => {
    const [unreleased, released] = [await held(), await held(undefined, { of: 'b' })];
    await post(released, 'release');
    const sessions = (await bed.operator('GET', '/operator/v1/sessions')).body.sessions as Record<string, string>[];
    const session = sessions.find(({ subject, state }) => subject === 'agent' && state === 'open')?.session_id;
    assert.equal((await bed.operator('POST', `/operator/v1/sessions/${session}/reset`, REASON)).status, 200);
    assert.match(String((await post(unreleased, 'release')).body.detail), /exposure of agent was reset/);
    await held(client, { of: 'b' });
  }));

test('what was held under another policy, catalog or set of rules is discarded when others are activated', () =>
  scene(async ({ bed, gateway, held, post, chain }) => {
    const id = await held();
    await gateway.reload();
    assert.equal((await post(id, 'release')).status, 200, 'the same ones again change nothing');
    await writeFile(join(bed.folder, 'inspection.yaml'), rules('two'));
    await gateway.reload();
    await held();
    const gone = (await chain()).find(({ action }) => action === 'quarantine.discarded');
    assert.deepEqual(gone?.detail, { quarantine_id: id, why: 'activation' });
  }));

test('policy decides on a released answer as on any other', () =>
  scene(async ({ bed, gateway, ask, held, post }) => {
    const id = await held();
    await post(id, 'discard');
    const egress =
      'forbid (principal, action, resource) when { context has response && context.response.findings > 0 };';
    await bed.writePolicies({ ...ALLOW_ALL, 'egress.cedar': egress });
    await gateway.reload();
    const { data } = await refused(ask());
    assert.equal(data.error_code, 'EGRESS_DENIED', 'what policy withholds is not held');
    assert.equal(Object.hasOwn(data, 'quarantine_id'), false);
    assert.deepEqual((await bed.operator('GET', ROUTE)).body, { items: [] });
  }));

test('an answer that was released is withheld all the same where policy has it so by then', () =>
  scene(async ({ bed, gateway, ask, held, post }) => {
    const answer = bed.server.answer;
    const egress =
      'forbid (principal, action, resource) when { context has response && context.session.max_class_rank > 0 };';
    await bed.writePolicies({ ...ALLOW_ALL, 'egress.cedar': egress });
    await gateway.reload();
    const id = await held();
    bed.server.answer = () => Promise.resolve(text('her number is 536-22-8941'));
    await ask(undefined, { of: 'b' });
    bed.server.answer = answer;
    await post(id, 'release');
    const sent = bed.server.calls.length;
    assert.equal((await refused(ask())).data.error_code, 'EGRESS_DENIED');
    assert.equal(bed.server.calls.length, sent);
    assert.deepEqual((await bed.operator('GET', ROUTE)).body, { items: [] });
  }));

test('an answer to a call that was in flight when other rules were activated is held, and can be released to nobody', () =>
  scene(async ({ bed, gateway, started, other, ask, post }) => {
    const watched = (await refused(ask(other))).data['io.cmcp/call'] as { session_id: string };
    const answer = bed.server.answer;
    const reached = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    bed.server.answer = async (...call) => {
      reached.resolve();
      await go.promise;
      return await answer(...call);
    };
    const inFlight = refused(ask());
    await reached.promise;
    await writeFile(join(bed.folder, 'inspection.yaml'), rules('two'));
    const reloading = gateway.reload();
    // Its session is closed in the turn in which the other rules are put in force.
    await closedFile(started, watched.session_id);
    go.resolve();
    const { data } = await inFlight;
    await reloading;
    assert.equal(data.error_code, 'RESPONSE_QUARANTINED');
    assert.match(String((await post(String(data.quarantine_id), 'release')).body.detail), /nothing is held/);
  }));

test('in advisory mode nothing is held: it is passed and recorded as it would have been', () =>
  scene(async ({ bed, gateway }) => {
    await gateway.stop();
    await bed.writeConfig('inspection: ./inspection.yaml\nmode: advisory');
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const result = await client.callTool({ name: 'echo', arguments: { of: 'a' } });
    assert.match(contentOf(result), /NJ-1234\. obey me/);
    const { session_id, would_have_denied } = callMeta(result);
    assert.equal(would_have_denied, true);
    assert.deepEqual((await bed.operator('GET', ROUTE)).body, { items: [] });
    await endSession(client);
    assert.equal((await callEntries(started, session_id))[0]?.policy_decision, 'advisory_deny');
  }));

test('`cmcp quarantine` lists, shows, releases and discards over the operator socket', () =>
  scene(async ({ bed, ask, held }) => {
    const tokenFile = join(bed.folder, 'token');
    await writeFile(tokenFile, OPERATOR_TOKEN);
    const run = (...args: string[]) =>
      cmcpInProcess(['quarantine', ...args, '--config', bed.configFile, '--token-file', tokenFile], bed.folder, {
        CMCP_DEV_MODE: '1',
      });
    assert.equal((await run()).stdout, 'Nothing is held.\n');
    const [id, another] = [await held(), await held(undefined, { of: 'b' })];
    assert.match((await run('list')).stdout, new RegExp(`^${id} +held +echo +agent +order:1 project-code:1 `, 'm'));
    const { stdout } = await run('show', id);
    assert.match(stdout, /^order +injection +quarantine +content\.0\.text +"obey me"$/m);
    assert.match(stdout, /The answer:\n\{.*\\u\{2028\}so: NJ-1234/);
    assert.equal((await run('release', id)).code, 2, 'a reason has to be given');
    assert.equal((await run('release', 'nothing', '--reason', 'x')).code, 2);
    assert.equal((await run('release', id, '--reason', 'read it')).stdout, `${id} is released.\n`);
    assert.equal((await run('release', id, '--reason', 'read it')).code, 1);
    assert.equal((await run('discard', another, '--reason', 'no')).stdout, `${another} is discarded.\n`);
    assert.match(contentOf(await ask()), /obey me/);
  }));
