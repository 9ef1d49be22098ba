import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { readLiveDocument } from '@cmcp/evidence';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from './support/software-tpm.ts';

const absent = noSoftwareTpm();
let tpm: SoftwareTpm | null = null;
let bed: TestBed;

const folder = (name: string): string => join(bed.folder, name);
const run = (...args: string[]) => cmcpInProcess(['attest', ...args], bed.folder, { CMCP_DEV_MODE: '1' });
const nonce = (): string => randomBytes(32).toString('hex');

/** A machine with a software TPM, whose attestation key an enroller certified. */
before(async () => {
  if (absent !== null) return;
  tpm = startSoftwareTpm();
  bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  await writeFile(folder('ek-root.pem'), tpm.file('ca/swtpm-localca-rootca-cert.pem'));
  await writeFile(folder('ek-issuer.pem'), tpm.file('ca/issuercert.pem'));
  const ca = ['--ca-cert', folder('ca.pem'), '--ca-key', folder('ca.key')];
  const trust = ['--root', folder('ek-root.pem'), '--issuer', folder('ek-issuer.pem')];
  await run('enroll', 'ca', '--name', 'Test', '--out-cert', folder('ca.pem'), '--out-key', folder('ca.key'));
  await bed.writeConfig(
    `tls: generated\nattestation: { provider: tpm, roots: [./ca.pem], tpm: { address: "unix:${tpm.address.path}", ak_certificate: ./ak.pem } }`,
  );
  const enrolled = await run('enroll', 'local', '--config', bed.configFile, '--out', folder('ak.pem'), ...ca, ...trust);
  assert.equal(enrolled.code, 0, enrolled.stderr);
});
after(async () => {
  tpm?.stop();
  if (absent === null) await bed.close();
});

/** The TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (tpm === null) t.skip(absent ?? 'no software TPM');
  return tpm;
}

/** PCR 0 to 7, as tpm2-tools read them, hashed as claims write them. */
function measurement(device: SoftwareTpm): string {
  const registers = Array.from({ length: 8 }, (_, i) => {
    const printed = device.run('tpm2_pcrread', `sha256:${i}`);
    return (/0x([0-9A-F]{64})/.exec(printed)?.[1] ?? '').toLowerCase();
  });
  return `sha256:${createHash('sha256').update(registers.join(''), 'hex').digest('hex')}`;
}

async function writeExpectations(members: object): Promise<string> {
  const roots = [await readFile(folder('ca.pem'), 'utf8')];
  await writeFile(folder('expect.json'), JSON.stringify({ cmcp_expect: 1, roots, ...members }));
  return folder('expect.json');
}

test('evidence about a machine with a software TPM, for a challenge, is checked offline and called what it is', async (t) => {
  const device = present(t);
  if (device === null) return;
  const challenge = nonce();
  const [file, platform] = [folder('machine.json'), measurement(device)];
  const asked = await run('evidence', '--nonce', challenge, '--config', bed.configFile, '--out', file);
  assert.equal(asked.code, 0, asked.stderr);
  const check = async (members: object, sent = challenge) =>
    run('verify', file, '--machine', '--nonce', sent, '--expect', await writeExpectations(members));
  const good = { measurement: platform, accept: ['software-tpm'] };
  const verified = await check(good);
  assert.equal(verified.code, 0, verified.stdout);
  assert.match(verified.stdout, /software TPM: nothing vouches for the machine/);
  assert.equal((await check({ measurement: platform })).code, 1);
  assert.equal((await check({ ...good, measurement: `sha256:${'00'.repeat(32)}` })).code, 1);
  assert.equal((await check({ ...good, roots: [] })).code, 1);
  assert.equal((await check(good, nonce())).code, 1);
  const asGateway = await run('verify', file, '--nonce', challenge, '--expect', await writeExpectations(good));
  assert.deepEqual([asGateway.code, /of no gateway/.test(asGateway.stderr)], [1, true]);
});

test('a gateway on a software TPM answers a challenge with a quote of it, over its TLS key, and another answer is refused', async (t) => {
  const device = present(t);
  if (device === null) return;
  const platform = measurement(device);
  const { gateway, started, url } = await bed.start();
  const [challenge, file] = [nonce(), folder('answer.json')];
  const asked = await run('evidence', '--nonce', challenge, '--url', url.origin, '--out', file);
  assert.equal(asked.code, 0, asked.stderr);
  const key = /sha256:[0-9a-f]{64}/.exec(asked.stderr)?.[0] ?? '';
  const { statement, evidence } = readLiveDocument(await readFile(file));
  assert.equal(evidence?.kind, 'tpm');
  assert.equal(statement.tls_spki, key);
  const expect = await writeExpectations({
    measurement: platform,
    policy_hash: started.policyHash,
    catalog_hash: started.catalogHash,
    accept: ['software-tpm'],
  });
  const check = (...more: string[]) => run('verify', file, '--expect', expect, ...more);
  const verified = await check('--nonce', challenge, '--tls-spki', key);
  assert.equal(verified.code, 0, verified.stdout);
  assert.equal((await check('--nonce', nonce(), '--tls-spki', key)).code, 1, 'replayed');
  assert.equal((await check('--nonce', challenge, '--tls-spki', `sha256:${'00'.repeat(32)}`)).code, 1, 'relayed');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(statement.policy_hash, `sha256:${'00'.repeat(32)}`));
  const altered = await check('--nonce', challenge, '--tls-spki', key);
  assert.match(altered.stdout, /FAILED[\s\S]*Was the evidence made for this answer\?/);
  await gateway.stop();
});

test('challenges and session starts share the software TPM, and all are served', async (t) => {
  if (present(t) === null) return;
  const { gateway, url } = await bed.start();
  const answers = Array.from({ length: 8 }, async (_, i) => {
    const file = folder(`answer-${i}.json`);
    const { code, stderr } = await run('evidence', '--nonce', nonce(), '--url', url.origin, '--out', file);
    assert.equal(code, 0, stderr);
    return readLiveDocument(await readFile(file)).signature;
  });
  const starts = ['a', 'b'].map(() => gateway.reload());
  assert.equal(new Set(await Promise.all(answers)).size, 8);
  await Promise.all(starts);
  await gateway.stop();
});
