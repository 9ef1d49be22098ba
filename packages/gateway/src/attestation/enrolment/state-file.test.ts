import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sha256 } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { EnrolmentState } from './documents.ts';
import { keepState, redeem } from './state-file.ts';

const AT = 1_800_000_000;
const SECRET = new Uint8Array(32).fill(9);
const ID = '0123456789abcdef0123456789abcdef';
const STATE: EnrolmentState = {
  id: ID,
  secretDigest: new Uint8Array(sha256(SECRET)),
  expires: AT + 900,
  machine: 'node-1',
  attestationKey: new Uint8Array(90),
  device: { manufacturer: 'id:54455354', model: 'x', version: null },
};

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-state-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function kept(name: string): Promise<string> {
  const path = join(folder, name);
  await keepState(path, STATE);
  return path;
}

function refuses(work: Promise<unknown>, said: RegExp): Promise<void> {
  return assert.rejects(
    work,
    (error) => error instanceof GatewayError && error.code === 'ENROLMENT_REFUSED' && said.test(error.detail),
    `${said} was expected`,
  );
}

test('a state is for its owner alone, does not hold the secret, and replaces no other', async () => {
  const path = await kept('a.json');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const text = await readFile(path, 'utf8');
  assert.ok(
    !text.includes(Buffer.from(SECRET).toString('base64')) && !text.includes(Buffer.from(SECRET).toString('hex')),
  );
  await assert.rejects(keepState(path, STATE), { code: 'EEXIST' });
});

test('the right secret in time redeems a challenge, once', async () => {
  const path = await kept('once.json');
  assert.deepEqual(await redeem({ id: ID, secret: SECRET }, path, AT + 900), STATE);
  assert.ok(!existsSync(path));
  await refuses(redeem({ id: ID, secret: SECRET }, path, AT), /it was used, or never written/);
});

test('a wrong secret uses the challenge up, so that nobody tries twice', async () => {
  const path = await kept('wrong.json');
  const secret = SECRET.with(31, 8);
  await refuses(redeem({ id: ID, secret: new Uint8Array(secret) }, path, AT), /not the secret of the challenge/);
  await refuses(redeem({ id: ID, secret: SECRET }, path, AT), /it was used/);
});

test('an answer that comes late is refused, and so is one by a clock that is no number', async () => {
  await refuses(redeem({ id: ID, secret: SECRET }, await kept('late.json'), AT + 901), /expired/);
  await refuses(redeem({ id: ID, secret: SECRET }, await kept('nan.json'), Number.NaN), /expired/);
});

test('the answer to another challenge does not use this one up', async () => {
  const path = await kept('other.json');
  await refuses(redeem({ id: ID.replace('0', 'f'), secret: SECRET }, path, AT), /to another challenge/);
  assert.deepEqual(await redeem({ id: ID, secret: SECRET }, path, AT), STATE);
});

test('of many answers at once with one state, one is redeemed', async () => {
  const path = await kept('race.json');
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => redeem({ id: ID, secret: SECRET }, path, AT)));
  assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const each of all) {
    if (each.status === 'rejected') assert.equal((each.reason as GatewayError).code, 'ENROLMENT_REFUSED');
  }
});

test('a file that is no state is refused, and left where it is', async () => {
  const path = join(folder, 'key.pem');
  await writeFile(path, 'precious');
  await refuses(redeem({ id: ID, secret: SECRET }, path, AT), /not strict JSON/);
  await writeFile(path, 'x'.repeat(70_000));
  await refuses(redeem({ id: ID, secret: SECRET }, path, AT), /too large/);
  assert.ok(existsSync(path));
});
