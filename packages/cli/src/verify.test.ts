import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { catalogHash, claimDigest, parseJson, type SessionFile, stringifyJson } from '@cmcp/evidence';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { cmcpInProcess } from '../../../tests/support/cli-in-process.ts';
import {
  type HardwareSession,
  LAUNCH_PCR,
  snpSession,
  tpmSession,
} from '../../evidence/src/testing/hardware-session.ts';
import {
  CATALOG_HASH,
  type EventSpec,
  makeSession,
  newKey,
  POLICY_HASH,
  seal,
  sign,
} from '../../evidence/src/testing/session.ts';

const EVENTS: EventSpec[] = [
  { kind: 'allow', tool: 'read', domain: 'internal', dataClass: 'pii' },
  { kind: 'deny', tool: 'send', domain: 'external', dataClass: 'public', sources: ['internal'] },
];
const SOFTWARE = ['--accept-software', '--unpinned-policy', '--unpinned-catalog'];
const PINS = ['--policy-hash', POLICY_HASH, '--catalog-hash', CATALOG_HASH];
const key = await newKey();

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-verify-'));
  await write('key', key.x);
});
after(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, content);
  return file;
}

const writeSession = (name: string, file: SessionFile): Promise<string> => write(name, stringifyJson(file));
const cmcp = (...args: string[]) => cmcpInProcess(['verify', ...args], folder);
const trusted = (): string[] => ['--key', join(folder, 'key')];

/** The file of a session of a generated platform, and the flags that trust its root. */
async function onDisk(name: string, { file, root, measurement }: HardwareSession): Promise<string[]> {
  const path = await writeSession(`${name}.cmcp.json`, file);
  const pem = await write(`${name}.root`, root.certificate ?? '');
  return [path, '--root', pem, '--measurement', measurement, ...PINS];
}

test('a hardware session under a root of the operator ends with 0 once all of it is asked for and accepted [W-07]', async () => {
  const asked = await onDisk('snp', await snpSession(key, EVENTS));
  const lacking = await cmcp(...asked);
  assert.equal(lacking.code, 1);
  assert.match(lacking.stdout, /CONSISTENT, NOT VERIFIED[\s\S]*LACKING[\s\S]*--accept-operator-root/);
  const { code, stdout } = await cmcp(...asked, '--accept-operator-root');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /VERIFIED WITH --accept-operator-root/);
  const unknown = await cmcp(...asked.filter((_, i) => i !== 1 && i !== 2), '--accept-operator-root');
  assert.match(unknown.stdout, /REFUSED/);
});

test('registers that hold the gateway are named in an evidence policy; without them the code is asserted', async () => {
  const asked = [...(await onDisk('tpm', await tpmSession(key, EVENTS))), '--accept-operator-root'];
  const without = await cmcp(...asked);
  assert.equal(without.code, 1);
  assert.match(without.stdout, /--evidence-policy FILE with reference values for the boot chain/);
  const policy = await write('policy.json', JSON.stringify({ tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } }));
  const boot = await cmcp(...asked, '--evidence-policy', policy);
  assert.equal(boot.code, 1);
  assert.match(boot.stdout, /--immutable-image if nothing can be added/);
  const given = await cmcp(...asked, '--evidence-policy', policy, '--immutable-image');
  assert.equal(given.code, 0, given.stdout);
  const other = await write('other.json', JSON.stringify({ tpm: { pcrs: { sha256: { '11': ['00'.repeat(32)] } } } }));
  assert.match((await cmcp(...asked, '--evidence-policy', other)).stdout, /REFUSED/);
});

async function bundleOf(name: string, ...policies: string[]): Promise<string> {
  const bundle = join(folder, name);
  await mkdir(bundle);
  const manifest = { version: '1.0.0', authored_at: '2026-01-01T00:00:00Z', author_identity: 'a', commit_sha: 'b' };
  await writeFile(join(bundle, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(bundle, 'schema.cedarschema'), '');
  await writeFile(join(bundle, 'a.cedar'), policies.join('\n'));
  return bundle;
}

test('--policy computes the hash of the approved bundle, and a policy that permits everything caps the verdict by name', async () => {
  const { loadBundle } = await import('@cmcp/gateway');
  const under = async (name: string, ...policies: string[]): Promise<string[]> => {
    const bundle = await bundleOf(name, ...policies);
    const file = await makeSession(key, EVENTS);
    const { hash } = await loadBundle(bundle);
    file.claim.trace.policy.bundle_hash = hash;
    const detail = file.bundle.entries[0]?.detail;
    if (detail) detail.bundle_hash = hash;
    await seal(file, key);
    const path = await writeSession(`${name}.cmcp.json`, file);
    return [path, '--policy', bundle, '--accept-software', '--unpinned-catalog', ...trusted()];
  };
  const decided = await cmcp(...(await under('decides', 'permit(principal, action, resource == Resource::"read");')));
  assert.equal(decided.code, 0, decided.stdout);
  assert.match(decided.stdout, /no permit holds for every call/);
  const all = await under('permits-all', 'permit(principal, action, resource);');
  const capped = await cmcp(...all);
  assert.equal(capped.code, 1);
  assert.match(
    capped.stdout,
    /policy0 permits every call, and nothing is forbidden[\s\S]*to prove it: --allow-permit-all/,
  );
  const allowed = await cmcp(...all, '--allow-permit-all');
  assert.equal(allowed.code, 0, allowed.stdout);
  assert.match(allowed.stdout, /VERIFIED WITH .*--allow-permit-all/);
  const other = await bundleOf('other', 'permit(principal, action, resource == Resource::"write");');
  const replaced = all.map((word) => (word.endsWith('permits-all') ? other : word));
  assert.match((await cmcp(...replaced)).stdout, /REFUSED/);
});

test('--catalog computes the hash of the approved catalog', async () => {
  const catalog = await write('catalog.json', '{"catalog": 1, "servers": [], "tools": []}');
  const file = await makeSession(key, EVENTS);
  const hash = catalogHash([]);
  const ours = catalogHash(parseJson(await readFile(catalog)) as never);
  assert.notEqual(hash, ours);
  file.claim.gateway.catalog.hash = ours;
  const detail = file.bundle.entries[0]?.detail;
  if (detail) detail.catalog_hash = ours;
  await seal(file, key);
  const path = await writeSession('catalog.cmcp.json', file);
  const asked = [path, '--accept-software', '--unpinned-policy', ...trusted()];
  assert.equal((await cmcp(...asked, '--catalog', catalog)).code, 0);
  const other = await write('list.json', '[]');
  assert.match((await cmcp(...asked, '--catalog', other)).stdout, /REFUSED/);
  const both = await cmcp(...asked, '--catalog', catalog, '--catalog-hash', ours);
  assert.match(both.stderr, /give --catalog-hash or --catalog, not both/);
  assert.equal(both.code, 2);
});

test('--min-evidence-class is about the calls that reached a server', async () => {
  const path = await writeSession('classes.cmcp.json', await makeSession(key, EVENTS));
  const asked = [path, ...SOFTWARE, ...trusted()];
  assert.equal((await cmcp(...asked, '--min-evidence-class', 'hash-only')).code, 0);
  const stronger = await cmcp(...asked, '--min-evidence-class', 'tls-pinned');
  assert.equal(stronger.code, 1);
  assert.match(stronger.stdout, /entry 1 has only hash-only/);
  const wrong = await cmcp(...asked, '--min-evidence-class', 'strong');
  assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
});

/** A row of sessions of one store, each claim naming the one before. */
async function row(length: number): Promise<SessionFile[]> {
  const files: SessionFile[] = [];
  for (let number = 1; number <= length; number++) {
    const file = await makeSession(key, EVENTS);
    const before = files.at(-1);
    file.claim.gateway.sequence_number = number;
    if (before !== undefined) file.claim.gateway.prev_claim_hash = claimDigest(before.claim);
    await sign(file, key);
    files.push(file);
  }
  return files;
}

test('several files are held against each other: links, gaps, forks and a claim that comes twice', async () => {
  const [first, second, third] = await row(3);
  assert.ok(first && second && third);
  const paths = await Promise.all([first, second, third].map((file, i) => writeSession(`row-${i}.cmcp.json`, file)));
  const asked = [...SOFTWARE, ...trusted(), '--json'];
  const seriesOf = async (...files: string[]) => {
    const { code, stdout } = await cmcp(...files, ...asked);
    const { verified, series } = JSON.parse(stdout);
    assert.equal(verified, code === 0);
    return {
      code,
      outcomes: Object.fromEntries(series.map((check: { id: string; outcome: string }) => [check.id, check.outcome])),
    };
  };
  const whole = await seriesOf(...paths);
  assert.deepEqual(whole, {
    code: 0,
    outcomes: { 'series.once': 'proven', 'series.forks': 'proven', 'series.links': 'proven' },
  });
  const gap = await seriesOf(paths[0] ?? '', paths[2] ?? '');
  assert.deepEqual([gap.code, gap.outcomes['series.links']], [0, 'not checked']);
  const twice = await seriesOf(paths[0] ?? '', await writeSession('copy.cmcp.json', first));
  assert.deepEqual([twice.code, twice.outcomes['series.once']], [1, 'failed']);
  const fork = await makeSession(key, EVENTS);
  fork.claim.gateway.sequence_number = 2;
  fork.claim.gateway.prev_claim_hash = claimDigest(first.claim);
  await sign(fork, key);
  const forked = await seriesOf(...paths, await writeSession('fork.cmcp.json', fork));
  assert.deepEqual([forked.code, forked.outcomes['series.forks']], [1, 'failed']);
  third.claim.gateway.sequence_number = 7;
  await sign(third, key);
  const skipped = await seriesOf(paths[1] ?? '', await writeSession('skipped.cmcp.json', third));
  assert.deepEqual([skipped.code, skipped.outcomes['series.links']], [1, 'failed']);
});

test('JSON of a report keeps its published schema, whatever the file is', async () => {
  const schema = JSON.parse(
    await readFile(new URL('../../../docs/schemas/report.schema.json', import.meta.url), 'utf8'),
  );
  const validate = new Ajv2020().compile(schema);
  const good = await writeSession('good.cmcp.json', await makeSession(key, EVENTS));
  const noise = await write('noise', 'noise');
  const hardware = await onDisk('schema', await snpSession(key, EVENTS));
  for (const args of [[good, ...SOFTWARE, ...trusted()], [good, noise], hardware, [hardware[0] ?? '', good]]) {
    const { stdout } = await cmcp(...args, '--json');
    assert.ok(validate(JSON.parse(stdout)), JSON.stringify(validate.errors));
  }
});

test('a claim in the form of the reference is verified with its audit bundle, and says so when that is broken', async () => {
  const { claim, bundle } = await makeSession(key, EVENTS);
  const [claimFile, bundleFile] = [
    await write('claim.json', stringifyJson(claim)),
    await write('bundle.json', stringifyJson(bundle)),
  ];
  const asked = [claimFile, '--audit-bundle', bundleFile, ...SOFTWARE, ...trusted()];
  const { code, stdout } = await cmcp(...asked);
  assert.equal(code, 0, stdout);
  await writeFile(bundleFile, '{');
  assert.match((await cmcp(...asked)).stderr, /is not strict JSON/);
  assert.equal((await cmcp(claimFile, claimFile, '--audit-bundle', bundleFile)).code, 2);
});

test('a key that merely ran on this machine does not contradict the key of a file', async () => {
  const known = join(folder, 'cmcp');
  await mkdir(known, { recursive: true });
  await writeFile(join(known, 'known_keys'), `${(await newKey()).x} there\n`);
  const path = await writeSession('elsewhere.cmcp.json', await makeSession(key, EVENTS));
  const { code, stdout } = await cmcp(path, ...SOFTWARE);
  assert.equal(code, 1);
  assert.match(stdout, /CONSISTENT, NOT VERIFIED/);
  await writeFile(join(known, 'known_keys'), `${key.x} there\n`);
  const ours = await cmcp(path, ...SOFTWARE);
  assert.equal(ours.code, 0, ours.stdout);
  assert.match(ours.stdout, /known on this machine/);
  await rm(join(known, 'known_keys'));
});

test('what stands beside a session is asked for completely: an anchor is an entry and a proof', async () => {
  const path = await writeSession('anchored.cmcp.json', await makeSession(key, EVENTS));
  const entry = await write('entry.json', '{}');
  const half = await cmcp(path, '--anchor-entry', entry);
  assert.deepEqual([half.code, half.stdout], [2, '']);
  const forged = await cmcp(path, '--anchor-entry', entry, '--anchor-proof', entry, ...SOFTWARE, ...trusted());
  assert.match(forged.stdout, /REFUSED[\s\S]*registry entry and proof/);
  const bundle = await cmcp(path, '--revocation-bundle', entry, ...SOFTWARE, ...trusted());
  assert.match(bundle.stdout, /REFUSED[\s\S]*revocation bundle/);
  const manifest = await cmcp(path, '--agent-manifest', entry, ...SOFTWARE, ...trusted());
  assert.match(manifest.stdout, /REFUSED[\s\S]*agent manifest is not valid/);
  const action = await cmcp(path, '--action', entry, ...SOFTWARE, ...trusted());
  assert.match(action.stdout, /REFUSED[\s\S]*Is the action in/);
});

test('--page writes the verification page once, and says what it is for', async () => {
  const page = join(folder, 'verify.html');
  const { code, stdout } = await cmcp('--page', page);
  assert.equal(code, 0, stdout);
  assert.match(await readFile(page, 'utf8'), /^<!doctype html>/i);
  const again = await cmcp('--page', page);
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match(again.stderr, /exists already, and is not replaced/);
  assert.equal((await cmcp(page, '--page', page)).code, 2);
});

test('an expectation that no file can be held against is refused instead of ignored', async () => {
  const path = await writeSession('idle.cmcp.json', await makeSession(key, EVENTS));
  const file = join(folder, 'key');
  const idle: [string[], RegExp][] = [
    [['--challenge', 'x'], /--challenge is about a Trust Record, and no file is one/],
    [['--level', '2'], /--level is about a Trust Record/],
    [['--provenance-kind', 'tee-attested'], /--provenance-kind is about a provenance record/],
    [['--revocation-key', file], /--revocation-key goes with --revocation-bundle/],
    [['--manifest-revocations', await write('empty', '')], /--manifest-revocations goes with --agent-manifest/],
    [['--measurement', 'zz'], /--measurement takes sha256:… or sha384:…/],
  ];
  for (const [more, expected] of idle) {
    const { code, stdout, stderr } = await cmcp(path, ...SOFTWARE, ...trusted(), ...more);
    assert.deepEqual([code, stdout], [2, ''], more.join(' '));
    assert.match(stderr, expected);
  }
  const policy = await write('idle-policy.json', JSON.stringify({ tpm: { pcrs: {} } }));
  const unapplied = await cmcp(path, ...SOFTWARE, ...trusted(), '--evidence-policy', policy);
  assert.equal(unapplied.code, 1);
  assert.match(unapplied.stdout, /Was your policy for hardware applied\?/);
});

test('--measurement is read in every spelling in which it is written', async () => {
  const session = await snpSession(key, EVENTS);
  const asked = [...(await onDisk('spelling', session)), '--accept-operator-root'];
  const spelled = (value: string) => asked.map((word) => (word === session.measurement ? value : word));
  const { measurement } = session;
  for (const value of [measurement.toUpperCase(), '5a'.repeat(48), '5A'.repeat(48)]) {
    const { code, stdout } = await cmcp(...spelled(value));
    assert.equal(code, 0, stdout);
  }
  assert.equal((await cmcp(...spelled('5b'.repeat(48)))).code, 1);
});
