import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { canonicalSorted, digest, entriesFileName, type Report, type SessionFile, verify } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import {
  BUNDLE,
  CATALOG,
  callDraft,
  MemoryStore,
  opening,
  RANKS,
  TestClock,
  tempDir,
  VERSION,
} from './fixtures.test.ts';
import { openAuditLogInProcess } from './in-process.ts';
import { openSessionFiles } from './session-files.ts';

/** A closed session of five entries, as the log exports it. */
async function closedSession(t: TestContext): Promise<SessionFile> {
  const options = { ranks: RANKS, gatewayVersion: VERSION, store: new MemoryStore(), clock: new TestClock() };
  const log = await openAuditLogInProcess({ ...options, dataDir: tempDir(t) });
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  for (const call of ['a', 'b', 'c']) await log.append(sessionId, callDraft(call));
  await log.closeSession(sessionId, 'client');
  return log.exportSession(sessionId);
}

/** What a relying party who has both files concludes. */
async function appraisePair(path: string, { claim }: SessionFile): Promise<Report> {
  const session = readFileSync(path);
  const name = entriesFileName(session);
  const expectations = {
    policyHash: BUNDLE,
    catalogHash: CATALOG,
    acceptSoftware: true,
    keys: [{ x: claim.trace.cnf.jwk.x, source: 'test' }],
  };
  return verify(session, expectations, name === null ? {} : { entries: readFileSync(join(dirname(path), name)) });
}

test('a session above the threshold has its entries in a file beside it, for its owner only', async (t) => {
  const file = await closedSession(t);
  const path = await openSessionFiles(tempDir(t), 4).write(file);
  const id = file.bundle.session_id;
  assert.deepEqual(readdirSync(dirname(path)).sort(), [`${id}.cmcp.json`, `${id}.cmcp.ndjson`]);
  for (const name of readdirSync(dirname(path))) {
    assert.equal(statSync(join(dirname(path), name)).mode & 0o777, 0o600, name);
  }
  const beside = readFileSync(join(dirname(path), `${id}.cmcp.ndjson`));
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')).bundle, {
    session_id: id,
    entries_file: {
      name: `${id}.cmcp.ndjson`,
      digest: digest(beside),
      entries: 5,
      media_type: 'application/x-ndjson',
    },
    bundle_signature: file.bundle.bundle_signature,
  });
  const report = await appraisePair(path, file);
  assert.equal(report.verdict, 'verified', report.summary);
});

test('entries are written in the sorted canonical form that they are hashed in, beside a session file and inside', async (t) => {
  const file = await closedSession(t);
  const expected = file.bundle.entries.map((entry) => canonicalSorted(entry));
  const beside = await openSessionFiles(tempDir(t), 4).write(file);
  const lines = readFileSync(beside.replace(/json$/, 'ndjson'), 'utf8').split('\n');
  assert.deepEqual(lines, [...expected, '']);
  const inside = readFileSync(await openSessionFiles(tempDir(t), 5).write(file), 'utf8');
  assert.ok(inside.includes(`"entries":[\n${expected.join(',\n')}]`));
});

test('a session at the threshold has its entries inside', async (t) => {
  const file = await closedSession(t);
  const path = await openSessionFiles(tempDir(t), 5).write(file);
  assert.deepEqual(readdirSync(dirname(path)), [basename(path)]);
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), structuredClone(file));
  assert.equal((await appraisePair(path, file)).verdict, 'verified');
});

test('the threshold is 50,000 entries', async (t) => {
  const { bundle, ...rest } = await closedSession(t);
  const [entry] = bundle.entries;
  assert.ok(entry);
  const files = openSessionFiles(tempDir(t));
  for (const [count, splits] of [
    [50_000, false],
    [50_001, true],
  ] as const) {
    const path = await files.write({ ...rest, bundle: { ...bundle, entries: Array(count).fill(entry) } });
    const beside = path.replace('.cmcp.json', '.cmcp.ndjson');
    assert.equal(existsSync(beside), splits);
    if (splits) assert.equal(readFileSync(beside, 'utf8').split('\n').length, count + 1);
  }
});

test('a stop between the two files leaves the session due, and the next start writes both', async (t) => {
  const file = await closedSession(t);
  const id = file.bundle.session_id;
  const dataDir = tempDir(t);
  const files = openSessionFiles(dataDir, 4);
  // The session file cannot be put in its place: that is where the write stops.
  const inTheWay = join(dataDir, 'sessions', `${id}.cmcp.json`);
  mkdirSync(inTheWay);
  const unwritten = (error: unknown): boolean => error instanceof GatewayError && error.code === 'AUDIT_UNAVAILABLE';
  await assert.rejects(files.write(file), unwritten);
  assert.ok(existsSync(join(dataDir, 'sessions', `${id}.cmcp.ndjson`)), 'the entries are there first');
  assert.deepEqual(files.unfinished(), [id]);
  rmdirSync(inTheWay);
  const next = openSessionFiles(dataDir, 4);
  assert.deepEqual(next.unfinished(), [id]);
  assert.equal((await appraisePair(await next.write(file), file)).verdict, 'verified');
  assert.deepEqual(next.unfinished(), []);
});

test('a stop while the entries are written leaves the session due and no file in its place', async (t) => {
  const file = await closedSession(t);
  const id = file.bundle.session_id;
  const dataDir = tempDir(t);
  const files = openSessionFiles(dataDir, 4);
  const sessions = join(dataDir, 'sessions');
  mkdirSync(join(sessions, `${id}.cmcp.ndjson`));
  await assert.rejects(files.write(file));
  assert.equal(existsSync(join(sessions, `${id}.cmcp.json`)), false);
  assert.deepEqual(files.unfinished(), [id]);
  rmdirSync(join(sessions, `${id}.cmcp.ndjson`));
  writeFileSync(join(sessions, `${id}.cmcp.ndjson.part`), '{"half":');
  assert.equal((await appraisePair(await files.write(file), file)).verdict, 'verified');
  assert.deepEqual(readdirSync(sessions).sort(), [`${id}.cmcp.json`, `${id}.cmcp.ndjson`]);
});
