import assert from 'node:assert/strict';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeBase64Url, type JsonObject, stringifyJson } from '@cmcp/evidence';
import { checkSetup, loadConfig, readEnvironment } from '@cmcp/gateway';
import { ed25519Signer, ISSUER } from '../packages/evidence/src/testing/manifest.ts';
import { GatewayError } from '../packages/gateway/src/errors.ts';
import { Agent } from './support/agent.ts';
import {
  agentLine,
  agentOf,
  callTool,
  codeOf,
  eventsOf,
  fitting,
  hop,
  issue,
  manifestConfig,
  sessionOf,
  spiffeOf,
  tokenOf,
  writeAnchors,
  writeRevocations,
} from './support/agent-manifests.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { ALLOW_EVERYTHING, withPeers } from './support/peer-bed.ts';
import { callEntries, sessionFile } from './support/session-files.ts';
import { timed } from './support/timed-gateway.ts';
import { HANDSHAKE_VERSION, type Values } from './support/wire.ts';

const TOOLS = [{ name: 'echo' }, { name: 'other' }];
const [issuer, delegate] = await Promise.all([ed25519Signer(), ed25519Signer()]);

/** A tool as a manifest lists it. */
const listed = (tool_name: string): JsonObject => ({
  tool_id: `org.example.${tool_name}`,
  tool_name,
  endpoint_id: 'spiffe://trust.example/server',
  version: '1',
  schema_hash: `sha256:${'1'.repeat(64)}`,
  description_hash: `sha256:${'2'.repeat(64)}`,
});

const INITIALIZE = {
  protocolVersion: HANDSHAKE_VERSION,
  capabilities: {},
  clientInfo: { name: 'agent', version: '1' },
};
const DELEGATED = { section: `, delegation_keys: { '${ISSUER}': ${encodeBase64Url(delegate.key.key)} }` };

const namesOf = (result: Record<string, unknown> | undefined, kind: string, key = 'name'): unknown[] =>
  ((result?.[kind] ?? []) as Record<string, unknown>[]).map((item) => item[key]);

test('only what the manifest names can be seen or called, whatever a caller says of its intent; the entry calls that structural [AARM-R2] [AARM-R3]', () =>
  withBed({ tools: TOOLS, config: manifestConfig(['whole', 'narrow', 'granted'], DELEGATED) }, async (bed) => {
    const { folder } = bed;
    await issue(folder, 'whole', await fitting(folder, 'whole'), issuer);
    await issue(folder, 'narrow', await fitting(folder, 'narrow', { tools: { tools: [listed('echo')] } }), issuer);
    const granted = await fitting(folder, 'granted');
    const grant = await hop(String(granted.manifest_id), 0, [ISSUER, delegate], { tools: ['other'] });
    await issue(folder, 'granted', { ...granted, delegation_chain: [grant] }, issuer);
    await writeAnchors(folder, [[issuer]]);
    const { gateway, started, url } = await bed.start(timed(new ManualTime()));
    const seen = async (name: string) => {
      const agent = agentOf(url, name);
      const tools = namesOf((await agent.request('tools/list')).result, 'tools');
      return [tools, codeOf(await callTool(agent, 'echo')), codeOf(await callTool(agent, 'other'))];
    };
    assert.deepEqual(await seen('whole'), [['echo', 'other'], 'ok', 'ok'], 'a list without names restricts nothing');
    assert.deepEqual(await seen('narrow'), [['echo'], 'ok', 'INTENT_SCOPE']);
    assert.deepEqual(await seen('granted'), [['other'], 'INTENT_SCOPE', 'ok'], 'what a delegation grants');
    const agent = agentOf(url, 'narrow');
    const forged = { intent: 'other', intent_hash: `sha256:${'0'.repeat(64)}`, scope: ['other'], tools: ['other'] };
    const call = { name: 'other', arguments: {}, _cmcp: forged };
    assert.equal(codeOf(await agent.request('tools/call', call)), 'INTENT_SCOPE');
    const id = sessionOf(await callTool(agent));
    assert.equal(codeOf(await callTool(agent, 'none')), 'TOOL_NOT_IN_CATALOG');
    assert.equal(bed.server.calls.filter(({ name }) => name === 'other').length, 2, 'of those that may');
    await gateway.stop();
    const denied = (await callEntries(started, id)).filter(({ detail }) => detail?.error_code === 'INTENT_SCOPE');
    assert.equal(denied.length, 2);
    for (const entry of denied) {
      assert.deepEqual([entry.tool_name, entry.policy_decision], ['other', 'deny']);
      assert.equal(entry.policy_rule_matched, 'intent_scope:structural');
    }
  }));

test('resources, subscriptions, prompts, completions and links are held to the names as well [AARM-R3]', () =>
  withPeers(
    {
      tools: { link: {} },
      resources: {
        open: { uri: 'file:///open' },
        shut: { uri: 'file:///shut' },
        days: { template: 'file:///days/{day}' },
      },
      prompts: { greet: {}, warn: {} },
      policies: ALLOW_EVERYTHING,
      config: `agents: [${agentLine('narrow')}]`,
    },
    async ({ bed, gateway, peers }) => {
      await gateway.stop();
      const { folder } = bed;
      await bed.writeConfig(manifestConfig(['narrow']));
      const tools = ['link', 'file:///open', 'file:///days/{day}', 'greet'].map(listed);
      await issue(folder, 'narrow', await fitting(folder, 'narrow', { tools: { tools } }), issuer, 'cose');
      await writeAnchors(folder, [[issuer]]);
      const uris = ['file:///open', 'file:///shut'];
      peers.main?.on('tools/call', () => ({
        content: uris.map((uri) => ({ type: 'resource_link', uri, name: uri })),
      }));
      peers.main?.on('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: 'read' }] }));
      peers.main?.on('prompts/get', () => ({ messages: [] }));
      peers.main?.on('completion/complete', () => ({ completion: { values: [] } }));
      const { url } = await bed.start(timed(new ManualTime()));
      const agent = agentOf(url, 'narrow');
      assert.deepEqual(namesOf((await agent.request('resources/list')).result, 'resources', 'uri'), ['file:///open']);
      assert.deepEqual(namesOf((await agent.request('prompts/list')).result, 'prompts'), ['greet']);
      const codes = (method: string, ...all: Values[]): Promise<string[]> =>
        Promise.all(all.map(async (params) => codeOf(await agent.request(method, params))));
      const read = [...uris, 'file:///days/monday'].map((uri) => ({ uri }));
      assert.deepEqual(await codes('resources/read', ...read), ['ok', 'INTENT_SCOPE', 'ok']);
      const prompts = [{ name: 'greet' }, { name: 'warn' }];
      assert.deepEqual(await codes('prompts/get', ...prompts), ['ok', 'INTENT_SCOPE']);
      const completed = prompts.map((ref) => ({
        ref: { type: 'ref/prompt', ...ref },
        argument: { name: 'a', value: 'b' },
      }));
      assert.deepEqual(await codes('completion/complete', ...completed), ['ok', 'INTENT_SCOPE']);
      const { notifications } = await agent.listen({ resourceSubscriptions: uris });
      assert.deepEqual((notifications as Values).resourceSubscriptions, ['file:///open']);
      await agent.end();
      const { result } = await agent.request('tools/call', { name: 'link', arguments: {} });
      const texts = JSON.stringify(result);
      assert.ok(texts.includes('file:///open') && !texts.includes('file:///shut'), texts);
    },
  ));

test('aligned with AARM, an agent without a manifest has no session and sees nothing; the mode enforces [AARM-R3] [AARM-R6]', () => {
  const config = manifestConfig(['named'], { lines: 'conformance_profile: aarm' });
  return withBed(
    { tools: TOOLS, config: config.replace('agents: [', `agents: [${agentLine('plain')}, `) },
    async (bed) => {
      await issue(bed.folder, 'named', await fitting(bed.folder, 'named'), issuer);
      await writeAnchors(bed.folder, [[issuer]]);
      const { gateway, started, url } = await bed.start(timed(new ManualTime()));
      const plain = agentOf(url, 'plain');
      assert.equal(codeOf(await callTool(plain)), 'MANIFEST_REFUSED');
      assert.deepEqual(namesOf((await plain.request('tools/list')).result, 'tools'), []);
      const shaking = new Agent(url, 'handshake', { token: tokenOf('plain') });
      assert.equal(codeOf(await shaking.request('initialize', INITIALIZE)), 'MANIFEST_REFUSED');
      const [event] = await eventsOf(bed, started.gatewaySession, 'manifest.refused');
      assert.deepEqual([event?.caller, event?.check, event?.manifest_id], ['plain', 'none', undefined]);
      const id = sessionOf(await callTool(agentOf(url, 'named')));
      await gateway.stop();
      const { bundle, claim } = await sessionFile(started, id);
      assert.equal(bundle.entries[0]?.detail?.conformance_profile, 'aarm');
      assert.ok(claim.gateway.agent_identity);
      await refusesToStart(bed, `${config}\nmode: advisory`, [
        'CONFIG_INVALID',
        /aarm refuses what policy denies; set `mode: enforcing`/,
      ]);
      await refusesToStart(bed, 'conformance_profile: aarm', [
        'CONFIG_INVALID',
        /aarm binds every session.*set `agent_manifest`/,
      ]);
      await writeFile(
        join(bed.folder, 'issuers.json'),
        stringifyJson({ public_key_base64url: encodeBase64Url(issuer.key.key) }),
      );
      await refusesToStart(bed, config, ['MANIFEST_INVALID', /issuers\.json: the key [0-9a-f]{64} has no `issuers`/]);
      await refusesToStart(bed, manifestConfig(['named']), null);
    },
  );
});

test('what can never be a manifest, a key or a list is refused at the start, by file and reason', () =>
  withBed({ tools: TOOLS, config: manifestConfig(['one']) }, async (bed) => {
    const { folder } = bed;
    const config = manifestConfig(['one'], { section: ', revocations: ./revoked.jsonl' });
    const document = await fitting(folder, 'one');
    const good = await issue(folder, 'one', document, issuer);
    await writeAnchors(folder, [[issuer]]);
    await writeRevocations(folder, [], issuer);
    await refusesToStart(bed, config, null);
    const put = (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content);
    const invalid = (why: RegExp, given = config) => refusesToStart(bed, given, ['MANIFEST_INVALID', why]);
    await put('manifests/two', good.bytes);
    await invalid(
      /manifests\/two: is for spiffe:\/\/trust\.example\/agent\/one, as .*manifests\/one is; an agent has one manifest/,
    );
    await put('manifests/two', stringifyJson({ ...(await fitting(folder, 'two')), version: '0.2' }));
    await invalid(/manifests\/two: SIGNATURE_MISSING: this is bare JSON/);
    await put('manifests/two', stringifyJson({ ...document, agent_id: spiffeOf('two'), surprise: 1 }));
    await invalid(/manifests\/two: MISMATCH: .*surprise/);
    await put('manifests/two', new Uint8Array([0xd2, 0x00]));
    await invalid(/manifests\/two: /);
    await rm(join(folder, 'manifests/two'));
    await symlink(join(folder, 'manifests/one'), join(folder, 'manifests/two'));
    await invalid(/manifests\/two: this is a symbolic link/);
    await rm(join(folder, 'manifests/two'));
    await invalid(
      /authenticated_subjects: two is spiffe:\/\/trust\.example\/agent\/two, which no manifest is for/,
      manifestConfig(['one', 'two']),
    );
    const environment = readEnvironment({ CMCP_DEV_MODE: '1' });
    const checked = await checkSetup(await loadConfig(bed.configFile, environment), { environment, offline: true });
    assert.deepEqual(
      checked.problems.map(({ code }) => code),
      ['MANIFEST_INVALID'],
      '`cmcp check` says so before',
    );
    await put('revoked.jsonl', '{}');
    await invalid(/revoked\.jsonl: line 1 of the revocation list/);
    await rm(join(folder, 'revoked.jsonl'));
    await invalid(/revoked\.jsonl: the revocation list cannot be read \(ENOENT\)/);
    await writeRevocations(folder, [], issuer);
    await put('issuers.json', '{}');
    await invalid(/issuers\.json/);
    await rm(join(folder, 'manifests/one'));
    await invalid(/manifests: there is no manifest/);
    await rm(join(folder, 'manifests'), { recursive: true });
    await invalid(/manifests: cannot be read \(ENOENT\)/);
  }));

test('in development, a gateway with one manifest and no mapping takes any caller for its agent, and the claim says so [D-45]', () => {
  const config = manifestConfig([]).replace('agents: []', `agents: [${agentLine('anybody')}]`);
  return withBed({ tools: TOOLS, config }, async (bed) => {
    await issue(bed.folder, 'one', await fitting(bed.folder, 'one'), issuer);
    await writeAnchors(bed.folder, [[issuer]]);
    const { gateway, started, url } = await bed.start(timed(new ManualTime()));
    const id = sessionOf(await callTool(agentOf(url, 'anybody')));
    await gateway.stop();
    const { agent_identity: identity } = (await sessionFile(started, id)).claim.gateway;
    assert.deepEqual([identity?.subject_source, identity?.agent_id], ['manifest-dev', spiffeOf('one')]);
    await issue(bed.folder, 'two', await fitting(bed.folder, 'two'), issuer);
    const again = await bed.start(timed(new ManualTime()));
    const other = sessionOf(await callTool(agentOf(again.url, 'anybody')));
    await again.gateway.stop();
    assert.equal(
      (await sessionFile(again.started, other)).claim.gateway.agent_identity,
      undefined,
      'of two it takes none',
    );
  });
});

test('policies see who issued the manifest and the intent that was signed, not what a caller says [AARM-R2]', () =>
  withBed({ tools: TOOLS, config: manifestConfig(['stated', 'silent']) }, async (bed) => {
    const { folder } = bed;
    const policy =
      'permit (principal, action in Action::"call_tool", resource) when { context has manifest && context.manifest has intent_hash };';
    await bed.writePolicies({ 'stated.cedar': policy });
    const schema = await readFile(join(folder, 'policy/schema.cedarschema'), 'utf8');
    const declared = 'manifest?: { id: String, issuer: String, "intent_hash"?: String }, platform:';
    await writeFile(join(folder, 'policy/schema.cedarschema'), schema.replaceAll('platform:', declared));
    await issue(folder, 'stated', await fitting(folder, 'stated'), issuer);
    await issue(folder, 'silent', await fitting(folder, 'silent', { more: { intent: null } }), issuer);
    await writeAnchors(folder, [[issuer]]);
    const { url } = await bed.start(timed(new ManualTime()));
    assert.equal(codeOf(await callTool(agentOf(url, 'stated'))), 'ok');
    const call = { name: 'echo', arguments: {}, _cmcp: { intent_hash: `sha256:${'1'.repeat(64)}`, manifest: {} } };
    assert.equal(codeOf(await agentOf(url, 'silent').request('tools/call', call)), 'POLICY_DENY');
  }));

/** `expected` null: it starts. */
async function refusesToStart(bed: TestBed, config: string, expected: [string, RegExp] | null): Promise<void> {
  await bed.writeConfig(config);
  const outcome = await bed.start(timed(new ManualTime())).then(
    async ({ gateway }) => {
      await gateway.stop();
      return null;
    },
    (error: unknown) => error,
  );
  if (expected === null) return assert.equal(outcome, null, String(outcome));
  assert.ok(outcome instanceof GatewayError, `${config}: ${String(outcome)}`);
  assert.equal(outcome.code, expected[0], outcome.detail);
  assert.match(outcome.detail, expected[1]);
}
