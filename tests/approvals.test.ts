import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseApprovalRecord } from '@cmcp/evidence';
import { type Config, loadConfig, readEnvironment, type StartedGateway } from '@cmcp/gateway';
import { loadCatalog } from '../packages/gateway/src/catalog/load.ts';
import {
  catalogPath,
  policyPath,
  quorumYaml,
  resigned,
  reviewerKey,
  type TestApproval,
  writeApproval,
} from './support/approvals.ts';
import { callMeta } from './support/calls.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { closedFile, sessionFile } from './support/session-files.ts';

const ada = reviewerKey('ada');
const bob = reviewerKey('bob');
const NOW = Date.UTC(2026, 0, 1) / 1000;
const HASH = `sha256:${'0'.repeat(64)}`;

interface Scene {
  bed: TestBed;
  time: ManualTime;
  config: Config;
  /** What a gateway that asks for no approval finds on disk. */
  found: StartedGateway;
  start: () => ReturnType<TestBed['start']>;
  /** Approves the catalog by ada and bob, unless said otherwise. */
  approve: (members?: Partial<TestApproval>, by?: (typeof ada)[]) => ReturnType<typeof writeApproval>;
}

async function scene(kind: 'catalog' | 'policy', run: (scene: Scene) => Promise<void>, members = {}): Promise<void> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  try {
    const { gateway, started } = await bed.start();
    await gateway.stop();
    await bed.writeConfig(`${kind}: ${JSON.stringify({ approval: JSON.parse(quorumYaml([ada, bob], members)) })}`);
    const time = new ManualTime();
    const config = await loadConfig(bed.configFile, readEnvironment({ CMCP_DEV_MODE: '1' }));
    const what = {
      catalog: { kind: 'catalog', path: catalogPath(bed.folder), hash: started.catalogHash },
      policy: { kind: 'bundle', path: policyPath(bed.folder), hash: started.policyHash },
    } as const;
    const { approval } = config[kind];
    assert.ok(approval);
    await run({
      bed,
      time,
      config,
      found: started,
      start: () => bed.start({ clock: time }),
      approve: (other = {}, by = [ada, bob]) =>
        writeApproval({ ...what[kind], config: approval, now: NOW, ...other }, by),
    });
  } finally {
    await bed.close();
  }
}

test('a catalog is served only when the configured reviewers approved it, and what says so is committed [D-25]', () =>
  scene('catalog', async ({ bed, start, approve }) => {
    await assert.rejects(start(), { code: 'CATALOG_UNAPPROVED' });
    const { record } = await approve();
    const { started, url } = await start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await client.close();
    await bed.stop();
    await closedFile(started, session_id);
    const { detail } = (await sessionFile(started, session_id)).bundle.entries[0] ?? {};
    assert.match(String(detail?.catalog_approval), /^sha256:[0-9a-f]{64}$/);
    assert.equal(detail?.catalog_overrides, 0);
    assert.equal(detail?.policy_approval, 'none');
    const { entries } = (await sessionFile(started, started.gatewaySession)).bundle;
    const load = entries.find(({ entry_type }) => entry_type === 'catalog_load')?.detail;
    assert.equal(load?.approval, detail?.catalog_approval);
    assert.equal(load?.approval_quorum, '2 of 2');
    assert.equal(load?.approval_expires_at, NOW + 3600);
    assert.equal(load?.reviewers, `ada (${ada.keyId}), bob (${bob.keyId})`);
    assert.equal(record.approvals.length, 2);
  }));

test('a bundle is served only when the configured reviewers approved it', () =>
  scene('policy', async ({ bed, start, approve }) => {
    await assert.rejects(start(), { code: 'POLICY_UNAPPROVED' });
    await approve();
    const { started } = await start();
    await bed.stop();
    const { entries } = (await sessionFile(started, started.gatewaySession)).bundle;
    const load = entries.find(({ entry_type }) => entry_type === 'policy_load')?.detail;
    assert.equal(load?.approval_quorum, '2 of 2');
    assert.equal(entries.find(({ entry_type }) => entry_type === 'catalog_load')?.detail?.approval, 'none');
  }));

test('too few, a stranger, another catalog, another time: none of them starts a gateway', () =>
  scene('catalog', async ({ bed, start, approve, time }) => {
    const refused = (expected: RegExp) => assert.rejects(start(), { code: 'CATALOG_UNAPPROVED', message: expected });
    await approve({}, [ada]);
    await refused(/1 of 2 approvals/);
    await approve({ hash: HASH });
    await refused(/approves sha256:0+, not/);
    const { record } = await approve();
    await writeFile(`${bed.folder}/catalog.approval.json`, JSON.stringify(resigned(record, reviewerKey('eve'), {})));
    await refused(/is not signed/);
    await approve();
    time.advance(3_600_000);
    await refused(/has expired/);
  }));

test('a revoked key voids what it approved [D-25]', () =>
  scene(
    'catalog',
    async ({ start, approve, config }) => {
      const { approval } = config.catalog;
      assert.ok(approval);
      await assert.rejects(approve({}, [bob]), { code: 'CATALOG_UNAPPROVED', message: /is revoked/ });
      await approve({ config: { ...approval, revoked: [] } });
      await assert.rejects(start(), { code: 'CATALOG_UNAPPROVED', message: /is revoked/ });
      await approve({}, [ada]);
      await start();
    },
    { threshold: 1, revoked: [bob.keyId] },
  ));

test('the checks that reviewers signed must be there, be those, and leave no error that nobody answers for', () =>
  scene('catalog', async ({ bed, start, approve }) => {
    const error = {
      rule: 'poison',
      severity: 'error',
      where: 'tool echo',
      message: 'is poison',
      fix: 'Do not.',
    } as const;
    const refused = (expected: RegExp) => assert.rejects(start(), { code: 'CATALOG_UNAPPROVED', message: expected });
    await assert.rejects(approve({ findings: [error] }), { code: 'CATALOG_UNAPPROVED', message: /--override poison/ });
    const { checks } = await approve({ findings: [error], overrides: [{ rule: 'poison', reason: 'a test' }] });
    const file = `${bed.folder}/catalog.checks.json`;
    await writeFile(file, JSON.stringify({ ...checks, overrides: [] }));
    await refused(/not those that were approved/);
    await writeFile(file, '{"checks":2}');
    await refused(/catalog.checks.json: checks has no member|catalog.checks.json: checks\./);
    await writeFile(file, JSON.stringify(checks));
    const { started } = await start();
    await bed.stop();
    const { entries } = (await sessionFile(started, started.gatewaySession)).bundle;
    assert.equal(entries[0]?.detail?.catalog_overrides, 1);
    const load = entries.find(({ entry_type }) => entry_type === 'catalog_load')?.detail;
    assert.equal(load?.overrides, 'poison by ada');
  }));

test('a reload takes an approved change, and refuses one that nobody approved or that is older than what runs', () =>
  scene('catalog', async ({ bed, start, approve, config }) => {
    const first = await approve();
    const { gateway, started } = await start();
    await gateway.reload();
    await bed.writeCatalog([{ name: 'echo', description: 'Changed.' }]);
    await assert.rejects(gateway.reload(), { code: 'CATALOG_UNAPPROVED' });
    const path = catalogPath(bed.folder);
    const { hash } = await loadCatalog(path);
    const before = parseApprovalRecord(JSON.stringify(first.record), 'catalog');
    await approve({ hash });
    await assert.rejects(gateway.reload(), { code: 'CATALOG_UNAPPROVED', message: /sequence 1 does not follow 1/ });
    const other = parseApprovalRecord(JSON.stringify({ ...first.record, change_set_digest: HASH }), 'catalog');
    await approve({ hash, before: other });
    await assert.rejects(gateway.reload(), { code: 'CATALOG_UNAPPROVED', message: /another predecessor/ });
    await approve({ hash, before: { ...before, newHash: HASH } });
    await assert.rejects(gateway.reload(), { code: 'CATALOG_UNAPPROVED', message: /another predecessor/ });
    await approve({ hash, before });
    await gateway.reload();
    await bed.stop();
    const { entries } = (await sessionFile(started, started.gatewaySession)).bundle;
    const loads = entries.filter(({ entry_type }) => entry_type === 'catalog_load');
    assert.deepEqual(
      loads.map(({ detail }) => detail?.approval_sequence),
      [1, 1, 2],
    );
    assert.equal(config.catalog.approval?.leastSequence, 1);
  }));

test('what was replaced does not come back after a restart where the configuration says what is the least', () =>
  scene(
    'catalog',
    async ({ bed, start, approve, config }) => {
      const { approval } = config.catalog;
      assert.ok(approval);
      await approve({ config: { ...approval, leastSequence: 1 } });
      await assert.rejects(start(), { code: 'CATALOG_UNAPPROVED', message: /2 is the least/ });
      await approve();
      await start();
      assert.match(await readFile(`${bed.folder}/catalog.approval.json`, 'utf8'), /"sequence":2/);
    },
    { least_sequence: 2 },
  ));

test('a relying party holds the record to its own quorum, and without one is told what the gateway committed to [D-25]', () =>
  scene('catalog', async ({ bed, approve }) => {
    const now = Math.floor(Date.now() / 1000);
    await approve({ now });
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await client.close();
    await bed.stop();
    await closedFile(started, session_id);
    const file = (name: string) => `${bed.folder}/${name}`;
    const session = `${started.sessionsFolder}/${session_id}.cmcp.json`;
    const verify = async (...args: string[]) => {
      const pins = [
        '--key',
        started.keyFile,
        '--policy-hash',
        started.policyHash,
        '--catalog-hash',
        started.catalogHash,
      ];
      const ran = await cmcpInProcess(['verify', session, ...pins, '--accept-software', ...args, '--json'], bed.folder);
      if (ran.stdout === '') return ran.stderr;
      const [{ checks }] = JSON.parse(ran.stdout).files;
      const check = checks.find(({ id }: { id: string }) => id === 'catalog.approval');
      return `${ran.code} ${check?.outcome}: ${check?.detail}`;
    };
    const quorum = { threshold: 2, reviewers: [ada, bob].map(({ x, principal }) => ({ key: x, principal })) };
    await writeFile(file('own.json'), JSON.stringify(quorum));
    await writeFile(file('strict.json'), JSON.stringify({ ...quorum, threshold: 3 }));
    await writeFile(file('broken.json'), JSON.stringify({ ...quorum, reviewers: [{ key: 'x', principal: 'ada' }] }));
    assert.match(await verify(), /^0 asserted: the gateway asked for approvals and names the record sha256:/);
    const held = ['--catalog-approval', file('catalog.approval.json')];
    assert.match(await verify(...held, '--reviewers', file('own.json')), /^0 proven: ada, bob approved it: 2 of 2/);
    assert.match(await verify(...held, '--reviewers', file('strict.json')), /^1 failed: the record was approved under/);
    assert.match(await verify(...held, '--reviewers', file('broken.json')), /reviewers\[0\]\.key is not an Ed25519/);
    assert.match(await verify(...held), /held to --reviewers/);
    assert.match(await verify('--reviewers', file('own.json')), /goes with --catalog-approval/);
    await writeApproval({ ...(await again(bed)), now }, [bob, ada]);
    assert.match(await verify(...held, '--reviewers', file('own.json')), /^1 failed: the session names another record/);
  }));

/** The catalog of a bed, to be approved once more. */
async function again(bed: TestBed): Promise<Omit<TestApproval, 'now'>> {
  const config = await loadConfig(bed.configFile, readEnvironment({ CMCP_DEV_MODE: '1' }));
  const { approval, path } = config.catalog;
  assert.ok(approval);
  return { kind: 'catalog', path, hash: (await loadCatalog(path)).hash, config: approval };
}
