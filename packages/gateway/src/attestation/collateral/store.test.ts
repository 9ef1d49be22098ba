import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { GatewayError } from '../../errors.ts';
import { type FolderFile, storeCollateral } from './store.ts';

const NAMES = ['tdx/x/tcb_info.json', 'tdx/x/tcb_chain.pem', 'tdx/x/root_crl.der'];
const files = (text: string): FolderFile[] => NAMES.map((path) => ({ path, bytes: new TextEncoder().encode(text) }));

async function stored(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'));
  t.after(() => rm(folder, { recursive: true }));
  await storeCollateral(folder, files('old'));
  return folder;
}

const texts = (folder: string, names = NAMES): Promise<string[]> =>
  Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
const refusal = async (storing: Promise<void>): Promise<string> => {
  const error = await storing.then(
    () => assert.fail('stored'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof GatewayError && error.code === 'COLLATERAL_UNAVAILABLE');
  return error.detail;
};

test('a set of files replaces the one before it, and nothing else is left', async (t) => {
  const folder = await stored(t);
  await storeCollateral(folder, files('new'));
  assert.deepEqual(await texts(folder), ['new', 'new', 'new']);
  assert.equal((await readdir(join(folder, 'tdx/x'))).length, NAMES.length);
});

test('when any file cannot be written, nothing was changed, and it is said', async (t) => {
  for (const name of NAMES) {
    const folder = await stored(t);
    await mkdir(join(folder, `${name}.part`));
    const detail = await refusal(storeCollateral(folder, files('new')));
    assert.match(detail, /^\S+ could not be written \(EISDIR\)\. Nothing was changed/);
    assert.ok(detail.includes(name), detail);
    assert.deepEqual(await texts(folder), ['old', 'old', 'old']);
    assert.equal((await readdir(join(folder, 'tdx/x'))).length, NAMES.length + 1, 'what was prepared is gone');
  }
  const folder = await stored(t);
  await writeFile(join(folder, 'sev-snp'), 'a file where a folder belongs');
  const more = [...files('new'), { path: 'sev-snp/milan/x.der', bytes: new Uint8Array(1) }];
  assert.match(await refusal(storeCollateral(folder, more)), /Nothing was changed/);
  assert.deepEqual(await texts(folder), ['old', 'old', 'old']);
});

test('a full disk changes nothing, and leaves nothing behind', async (t) => {
  if (process.platform !== 'linux') return t.skip('only Linux has a device that is always full');
  const folder = await stored(t);
  await symlink('/dev/full', join(folder, `${NAMES[1]}.part`));
  assert.match(
    await refusal(storeCollateral(folder, files('new'))),
    /could not be written \(ENOSPC\)\. Nothing was changed/,
  );
  assert.deepEqual(await texts(folder), ['old', 'old', 'old']);
  assert.equal((await readdir(join(folder, 'tdx/x'))).length, NAMES.length);
});

test('when a file cannot be put in its place, it is said which are new and what to do', async (t) => {
  const folder = await stored(t);
  const [first = '', second = ''] = NAMES;
  await rm(join(folder, second));
  await mkdir(join(folder, second, 'inside'), { recursive: true });
  const detail = await refusal(storeCollateral(folder, files('new')));
  assert.match(
    detail,
    /tcb_chain\.pem could not be replaced \(EISDIR\)\. 1 of 3 files are new: tdx\/x\/tcb_info\.json\. /,
  );
  assert.match(detail, /run the command again/);
  assert.deepEqual(await texts(folder, [first, NAMES[2] ?? '']), ['new', 'old']);
  assert.equal((await readdir(join(folder, 'tdx/x'))).length, NAMES.length, 'what was prepared is gone');
});
