import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type AgentIdentity,
  canonicalSorted,
  catalogTree,
  claimPreimage,
  digest,
  encodeBase64Url,
  type JsonObject,
  keyId,
  keySubject,
  type Report,
} from '@cmcp/evidence';
import { ed25519Signer, ISSUER } from '../packages/evidence/src/testing/manifest.ts';
import { newKey } from '../packages/evidence/src/testing/session.ts';
import {
  agentLine,
  agentOf,
  callTool,
  codeOf,
  eventsOf,
  type Fitting,
  fitting,
  hashesOf,
  hop,
  issue,
  manifestConfig,
  sessionOf,
  spiffeOf,
  verified,
  writeAnchors,
  writeManifest,
  writeRevocations,
} from './support/agent-manifests.ts';
import { ALLOW_ALL, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { callEntries, sessionFile } from './support/session-files.ts';
import { pinned, signer as policySigner, putBundle } from './support/signed-policy.ts';
import { timed } from './support/timed-gateway.ts';

const TOOLS = [{ name: 'echo' }, { name: 'other' }];
const [issuer, stranger, delegate] = await Promise.all([ed25519Signer(), ed25519Signer(), ed25519Signer()]);
/** No entry could hold it. */
const FOREIGN = 'spiffe://trust.example/\u00e9';
const DAY = 86_400_000;
const LIST = ', revocations: ./revoked.jsonl';
const PLAIN = agentLine('plain');
/** The same kind of text, and another. */
const altered = (text: string): string => text.replace(/[0-9a-z]$/, (last) => (last === '0' ? '1' : '0'));
const OTHER_HASH = `sha256:${'9'.repeat(64)}`;

test('only a manifest that holds in every respect opens a session; any other is refused, and why is entered [D-45] [D-18] [C-09]', async () => {
  const cases: Record<
    string,
    { change?: Fitting; check: string | null; by?: 'stranger' | 'delegate' | 'nobody' | 'bare' }
  > = {
    json: { check: null },
    cose: { check: null },
    stranger: { by: 'stranger', check: 'manifest.key' },
    misissued: { by: 'delegate', check: 'manifest.issuer' },
    tampered: { by: 'nobody', check: 'manifest.signature' },
    expired: { change: { more: { expires_at: '2025-12-31T00:00:00Z' } }, check: 'manifest.validity' },
    early: { change: { more: { issued_at: '2026-01-02T00:00:00Z' } }, check: 'manifest.validity' },
    policy: { change: { policy: { hash: OTHER_HASH } }, check: 'manifest.policy_bundle' },
    catalog: { change: { tools: { catalog_hash: OTHER_HASH } }, check: 'manifest.tool_manifest' },
    unbound: { change: { tools: { catalog_hash: `shake256:${'0'.repeat(64)}` } }, check: 'manifest.tool_manifest' },
    advisory: { change: { policy: { enforcement_mode: 'advisory' } }, check: 'manifest.binding.mode' },
    foreign: { change: { more: { issuer: FOREIGN } }, check: 'manifest.issuer' },
    quantum: { change: { more: { crypto_profile: 'post-quantum' } }, check: 'manifest.profile' },
    toolless: { check: 'manifest.binding.catalog' },
    delegated: { check: null },
    unknown: { check: 'manifest.delegation' },
    widened: { check: 'manifest.delegation' },
    deep: { check: 'manifest.delegation' },
    over: { check: 'manifest.delegation_time' },
    revoked: { check: 'manifest.revocation' },
  };
  const names = Object.keys(cases);
  const key = encodeBase64Url(delegate.key.key);
  const section = `, revocations: ./revoked.jsonl, delegation_keys: { '${ISSUER}': ${key}, 'did:example:bob': ${key} }`;
  await withBed({ tools: TOOLS, config: manifestConfig(names, { section }) }, async (bed) => {
    const { folder } = bed;
    await writeAnchors(folder, [
      [issuer, [ISSUER, FOREIGN]],
      [delegate, ['spiffe://trust.example/other-authority']],
    ]);
    const grants: Record<string, [string, JsonObject][]> = {
      delegated: [
        [ISSUER, { tools: ['echo', 'other'], ttl_seconds: 1e8 }],
        ['did:example:bob', { tools: ['echo'], ttl_seconds: 1e8 }],
      ],
      unknown: [
        [ISSUER, {}],
        ['did:example:eve', {}],
      ],
      widened: [
        [ISSUER, { tools: ['echo'] }],
        ['did:example:bob', { tools: ['echo', 'other'] }],
      ],
      deep: [
        [ISSUER, { max_delegation_depth: 0 }],
        ['did:example:bob', { max_delegation_depth: 0 }],
      ],
      over: [[ISSUER, { ttl_seconds: 60 }]],
    };
    const ids = new Map<string, string>();
    const hashes = hashesOf(folder);
    for (const [name, { change, by }] of Object.entries(cases)) {
      const plain = await fitting(folder, name, change, hashes);
      const id = String(plain.manifest_id);
      ids.set(name, id);
      const hops = await Promise.all((grants[name] ?? []).map(([who, grant], i) => hop(id, i, [who, delegate], grant)));
      const document = {
        ...plain,
        ...(hops.length === 0 ? {} : { delegation_chain: hops }),
      } as JsonObject;
      if (name === 'toolless') delete (document.artifacts as JsonObject).tool_manifest;
      const signer = by === 'stranger' ? stranger : by === 'delegate' ? delegate : issuer;
      const { bytes } = await issue(folder, name, document, signer, name === 'cose' ? 'cose' : 'json');
      if (by === 'nobody')
        await writeManifest(
          folder,
          name,
          new TextEncoder().encode(new TextDecoder().decode(bytes).replace('m-1', 'm-2')),
        );
    }
    await writeRevocations(folder, [ids.get('revoked') ?? ''], issuer);
    const { started, url } = await bed.start(timed(new ManualTime()));
    const codes = new Map<string, string>();
    for (const name of names) codes.set(name, codeOf(await callTool(agentOf(url, name))));
    const events = await eventsOf(bed, started.gatewaySession, 'manifest.refused');
    const found: Record<string, string | null> = {};
    for (const name of names) {
      const event = events.find(({ caller }) => caller === name);
      found[name] = event === undefined ? null : String(event.check);
      assert.equal(codes.get(name), event === undefined ? 'ok' : 'MANIFEST_REFUSED', name);
      if (event !== undefined) assert.equal(event.manifest_id, ids.get(name));
    }
    assert.deepEqual(found, Object.fromEntries(names.map((name) => [name, cases[name]?.check ?? null])));
    assert.ok(bed.reports.some((line) => line.startsWith('manifest.refused expired: ') && line.includes('expired at')));
    const refusals = await eventsOf(bed, started.gatewaySession, 'call.refused');
    assert.equal(refusals.filter(({ error_code }) => error_code === 'MANIFEST_REFUSED').length, 17);
  });
});

test('the claim names the agent of its session, in both forms, and a verifier with the manifest finds every member of it [D-45] [C-09]', () =>
  withBed({ tools: TOOLS, config: manifestConfig(['json', 'cose', 'plain']) }, async (bed) => {
    const { folder } = bed;
    const manifests = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const name of ['json', 'cose', 'plain'] as const) {
      const document = await fitting(folder, name);
      manifests.set(name, (await issue(folder, name, document, issuer, name === 'cose' ? 'cose' : 'json')).bytes);
    }
    await writeAnchors(folder, [[issuer]]);
    const { gateway, started, url } = await bed.start(timed(new ManualTime()));
    const sessions = new Map<string, string>();
    for (const name of ['json', 'cose']) sessions.set(name, sessionOf(await callTool(agentOf(url, name))));
    await gateway.stop();
    for (const [name, id] of sessions) {
      const file = await sessionFile(started, id);
      const { agent_identity: identity } = file.claim.gateway;
      assert.equal(identity?.authenticated_subject, spiffeOf(name));
      assert.equal(identity?.subject_source, 'config', 'no handshake showed an SVID');
      assert.equal(identity?.issuer_key_id, issuer.key.id);
      const detail = file.bundle.entries[0]?.detail ?? {};
      assert.equal(detail.manifest_envelope, name);
      assert.equal(detail.manifest_catalog_form, 'flat');
      const document = manifests.get(name) ?? new Uint8Array();
      const report = await verified(started, file, { document, issuer });
      assert.equal(report.verdict, 'verified', report.summary);
      const bound = report.checks.filter(({ id, required }) => id.startsWith('manifest.binding') && required);
      assert.ok(bound.length >= 10 && bound.every(({ outcome }) => outcome === 'proven'), JSON.stringify(bound));
      assert.equal(
        (await verified(started, file, { document: manifests.get('plain') ?? document, issuer })).verdict,
        'refused',
      );
    }
  }));

test('a claim that says anything else of its agent than the chain committed to is refused [D-45]', async () => {
  await withBed({ tools: TOOLS, config: manifestConfig(['json']) }, async (bed) => {
    const { bytes } = await issue(bed.folder, 'json', await fitting(bed.folder, 'json'), issuer);
    await writeAnchors(bed.folder, [[issuer]]);
    const { gateway, started, url } = await bed.start(timed(new ManualTime()));
    const id = sessionOf(await callTool(agentOf(url, 'json')));
    await gateway.stop();
    const file = await sessionFile(started, id);
    const { agent_identity: identity, ...others } = file.claim.gateway;
    assert.ok(identity);
    const { x, sign } = await newKey();
    const resigned = async (agent: AgentIdentity | undefined): Promise<Report> => {
      const jwk = { ...file.claim.trace.cnf.jwk, x, kid: keyId(x) };
      const trace = { ...file.claim.trace, subject: keySubject(x), cnf: { jwk } };
      const unsigned = { ...file.claim, trace, gateway: { ...others, ...(agent && { agent_identity: agent }) } };
      const claim = { ...unsigned, signature: await sign(claimPreimage(unsigned)) };
      const keys = [{ x, source: 'test' }];
      return verified(started, { ...file, claim }, { document: bytes, issuer }, { keys });
    };
    const failing = async (agent: AgentIdentity | undefined): Promise<string[]> =>
      (await resigned(agent)).checks
        .filter(({ id, outcome }) => outcome === 'failed' && /^(manifest|session)/.test(id))
        .map(({ id }) => id);
    assert.deepEqual(await failing(identity), [], 'the same member is no change');
    for (const name of Object.keys(identity) as (keyof AgentIdentity)[]) {
      const other = name === 'subject_source' ? 'svid' : altered(identity[name] ?? '');
      const failed = await failing({ ...identity, [name]: other } as AgentIdentity);
      assert.ok(failed.includes('session.commitments'), name);
      assert.equal(
        name === 'subject_source' || failed.some((check) => check.startsWith('manifest.binding')),
        true,
        name,
      );
    }
    assert.ok((await failing(undefined)).includes('session.commitments'));
  });
});

test('a manifest that expires or is revoked while a session is open refuses its next call, which is entered [D-45]', () =>
  withBed({ tools: TOOLS, config: manifestConfig(['lasting', 'brief'], { section: LIST }) }, async (bed) => {
    const { folder } = bed;
    const ids = new Map<string, string>();
    for (const [name, expires_at] of [
      ['lasting', '2026-11-01T00:00:00Z'],
      ['brief', '2026-01-01T00:10:00Z'],
    ] as const) {
      const { document } = await issue(folder, name, await fitting(folder, name, { more: { expires_at } }), issuer);
      ids.set(name, String(document.manifest_id));
    }
    await writeAnchors(folder, [[issuer]]);
    await writeRevocations(folder, [], issuer);
    const time = new ManualTime();
    const { gateway, started, url } = await bed.start(timed(time));
    const [lasting, brief] = [agentOf(url, 'lasting'), agentOf(url, 'brief')];
    const session = sessionOf(await callTool(brief));
    assert.equal(codeOf(await callTool(lasting)), 'ok');
    time.advance(-40 * DAY);
    assert.equal(codeOf(await callTool(lasting)), 'MANIFEST_REFUSED', 'the clock says that it was not issued yet');
    time.advance(40 * DAY + 10 * 60_000 - 1);
    assert.equal(codeOf(await callTool(brief)), 'ok');
    time.advance(1);
    assert.equal(codeOf(await callTool(brief)), 'MANIFEST_REFUSED');
    assert.equal(codeOf(await callTool(lasting)), 'ok', 'others are not concerned');
    await writeRevocations(folder, [(ids.get('lasting') ?? '').toUpperCase()], issuer);
    assert.equal(codeOf(await callTool(lasting)), 'MANIFEST_REFUSED');
    await writeFile(join(folder, 'revoked.jsonl'), 'not a list');
    assert.equal(codeOf(await callTool(lasting)), 'MANIFEST_REFUSED', 'an unreadable list might revoke anything');
    await rm(join(folder, 'revoked.jsonl'));
    assert.equal(codeOf(await callTool(lasting)), 'MANIFEST_REFUSED');
    assert.equal(bed.server.calls.length, 4, 'nothing that was refused reached the server');
    await gateway.stop();
    const entry = (await callEntries(started, session)).at(-1);
    assert.equal(entry?.policy_decision, 'deny');
    assert.deepEqual([entry?.policy_rule_matched, entry?.detail?.error_code], ['manifest_refused', 'MANIFEST_REFUSED']);
  }));

test('activating what the manifest does not bind refuses the successor; a manifest for it is taken up by the next activation', () =>
  withBed({ tools: TOOLS, config: manifestConfig(['agent']) }, async (bed) => {
    const { folder } = bed;
    const first = await issue(folder, 'agent', await fitting(folder, 'agent'), issuer);
    await writeAnchors(folder, [[issuer]]);
    const { gateway, started, url } = await bed.start(timed(new ManualTime()));
    const agent = agentOf(url, 'agent');
    const before = sessionOf(await callTool(agent));
    await bed.writePolicies({
      ...ALLOW_ALL,
      'other.cedar': 'forbid (principal, action == Action::"other", resource);',
    });
    await gateway.reload();
    const [refusal] = await eventsOf(bed, started.gatewaySession, 'manifest.refused');
    assert.equal(refusal?.check, 'manifest.policy_bundle', 'the successor was refused, not the next call only');
    assert.equal(codeOf(await callTool(agent)), 'MANIFEST_REFUSED');
    assert.ok(!bed.reports.some((line) => line.startsWith('AUDIT_UNAVAILABLE')));
    await issue(folder, 'agent', await fitting(folder, 'agent'), issuer);
    await gateway.reload();
    const after = sessionOf(await callTool(agent));
    assert.ok(after !== '' && after !== before);
    await gateway.stop();
    const [old, renewed] = await Promise.all([before, after].map((id) => sessionFile(started, id)));
    assert.equal(old?.claim.gateway.agent_identity?.manifest_id, first.document.manifest_id);
    assert.notEqual(renewed?.claim.gateway.agent_identity?.manifest_id, first.document.manifest_id);
  }));

test('a renewed manifest is something to activate, also where the signed policy is the one in force', () =>
  withBed({ tools: TOOLS, config: manifestConfig(['agent']) }, async (bed) => {
    const { folder } = bed;
    const key = await policySigner(bed);
    await putBundle(bed, { version: '1', by: key });
    await bed.writeConfig(`${pinned({ key })}\n${manifestConfig(['agent'])}`);
    await issue(folder, 'agent', await fitting(folder, 'agent'), issuer);
    await writeAnchors(folder, [[issuer]]);
    const { gateway } = await bed.start(timed(new ManualTime()));
    assert.equal((await gateway.reload()).activated, false);
    await issue(folder, 'agent', await fitting(folder, 'agent'), issuer);
    assert.equal((await gateway.reload()).activated, true);
  }));

test('a catalog may be bound by the Merkle root of its tools, whose ids are the issuer\u2019s; one changed word is another root [C-08]', () => {
  const described = [
    { name: 'echo', description: 'Says it again.', inputSchema: { type: 'object' } },
    { name: 'other', description: 'Does something else.', inputSchema: { type: 'object' } },
  ];
  return withBed({ tools: described, config: manifestConfig(['rooted', 'stale']) }, async (bed) => {
    const { folder } = bed;
    const listed = described.map(({ name, description, inputSchema }) => ({
      tool_id: `org.example.${name}`,
      tool_name: name,
      endpoint_id: 'spiffe://trust.example/server',
      version: '1',
      schema_hash: digest(canonicalSorted({ input_schema: inputSchema, output_schema: null })),
      description_hash: digest(description),
    }));
    const rooted = { tools: listed, catalog_hash: catalogTree(listed) };
    const reworded = listed.map((tool) =>
      tool.tool_name === 'echo' ? { ...tool, description_hash: digest('Says it.') } : tool,
    );
    const stale = { tools: reworded, catalog_hash: catalogTree(reworded) };
    const { bytes } = await issue(folder, 'rooted', await fitting(folder, 'rooted', { tools: rooted }), issuer, 'cose');
    await issue(folder, 'stale', await fitting(folder, 'stale', { tools: stale }), issuer);
    await writeAnchors(folder, [[issuer]]);
    const { gateway, started, url } = await bed.start(timed(new ManualTime()));
    const id = sessionOf(await callTool(agentOf(url, 'rooted')));
    assert.equal(codeOf(await callTool(agentOf(url, 'stale'))), 'MANIFEST_REFUSED');
    await gateway.stop();
    const file = await sessionFile(started, id);
    const detail = file.bundle.entries[0]?.detail ?? {};
    assert.deepEqual([detail.manifest_catalog_form, detail.manifest_catalog_tree], ['merkle', rooted.catalog_hash]);
    assert.equal(file.claim.gateway.agent_identity?.tool_catalog_hash, rooted.catalog_hash);
    const report = await verified(started, file, { document: bytes, issuer });
    assert.equal(report.verdict, 'verified', report.summary);
  });
});

test('without a profile, an agent that has no manifest is served as if there were none, and nothing is said of one', () =>
  withBed(
    { tools: TOOLS, config: manifestConfig(['named']).replace('agents: [', `agents: [${PLAIN}, `) },
    async (bed) => {
      await issue(bed.folder, 'named', await fitting(bed.folder, 'named'), issuer);
      await writeAnchors(bed.folder, [[issuer]]);
      const { gateway, started, url } = await bed.start(timed(new ManualTime()));
      const id = sessionOf(await callTool(agentOf(url, 'plain')));
      await gateway.stop();
      const { claim, bundle } = await sessionFile(started, id);
      assert.equal(claim.gateway.agent_identity, undefined);
      assert.ok(Object.keys(bundle.entries[0]?.detail ?? {}).every((name) => !name.startsWith('manifest')));
    },
  ));
