import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, type TestContext, test } from 'node:test';
import { type Certificate, encodeHex, FormatError, parsePublic, spkiOf } from '@cmcp/evidence';
import fc from 'fast-check';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import {
  beside,
  certify,
  collectOne,
  defineNv,
  isFailure,
  judged,
  openProvider,
  random,
} from '../../../../../tests/support/tpm-provider.ts';
import { certificatesIn } from '../certificate-folder.ts';
import { systemTsmFs } from '../tsm/fs.ts';
import type { Tpm, TpmCommands } from './api.ts';
import { type Identity, identify } from './identity.ts';
import { withoutFiller } from './nv-filler.ts';
import { isSoftwareTpm } from './software-tpm.ts';
import { openTpm } from './tpm.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

const AZURE = { key: '0x81000003', certificate: 0x01c1_01d0 };
const GOOGLE = {
  ecc: { certificate: 0x01c1_0002, template: 0x01c1_0003 },
  rsa: { certificate: 0x01c1_0000, template: 0x01c1_0001 },
};
const EK_CHAIN = 0x01c0_0100;
const AFTER_CHAIN = 0x01c0_0200;

/** What tests leave: indexes and the persistent key. */
afterEach(() => {
  if (device === null) return;
  const defined = device.run('tpm2_getcap', 'handles-nv-index');
  const ours = [
    AZURE.certificate,
    ...Object.values(GOOGLE).flatMap(Object.values<number>),
    EK_CHAIN,
    EK_CHAIN + 1,
    AFTER_CHAIN,
  ];
  for (const index of ours) {
    const name = `0x${index.toString(16)}`;
    if (defined.toLowerCase().includes(name)) device.run('tpm2_nvundefine', name);
  }
  if (device.run('tpm2_getcap', 'handles-persistent').includes(AZURE.key))
    device.run('tpm2_evictcontrol', '-c', AZURE.key);
});

/** The TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  return device;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Makes a restricted signing key at the handle of Azure's; gives its SubjectPublicKeyInfo. */
function azureKey(
  tpm: SoftwareTpm,
  attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign',
): Bytes {
  tpm.run(
    'tpm2_createprimary',
    '-C',
    'o',
    '-G',
    'rsa2048:rsassa-sha256:null',
    '-g',
    'sha256',
    '-a',
    attributes,
    '-c',
    'az.ctx',
  );
  tpm.run('tpm2_evictcontrol', '-c', 'az.ctx', AZURE.key);
  return spkiAt(tpm, AZURE.key);
}

function spkiAt(tpm: SoftwareTpm, context: string): Bytes {
  tpm.run('tpm2_readpublic', '-c', context, '-f', 'der', '-o', 'key.der');
  return tpm.file('key.der');
}

async function identified(
  t: TestContext,
  tpm: SoftwareTpm,
  pool: Certificate[] = [],
): Promise<{ identity: Identity; heard: string[] }> {
  const heard: string[] = [];
  const opened = openTpm(tpm.address);
  t.after(() => opened.close());
  return { identity: await identify(opened, { named: [], pool }, (detail) => heard.push(detail)), heard };
}

test('a TPM that keeps no registers in SHA-256 is refused with what to do, before it fails to quote [D-40]', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const opened = openTpm(tpm.address);
  t.after(() => opened.close());
  const sha1Only: Tpm = {
    run: (work, signal) => opened.run((commands) => work({ ...commands, pcrBanks: async () => [0x0004] }), signal),
    close: () => opened.close(),
  };
  const refused = identify(sha1Only, { named: [], pool: [] }, () => undefined);
  await assert.rejects(refused, isFailure(/SHA-256 bank.*firmware settings/));
});

test('the key of an Azure VM quotes, with its certificate from NV and the issuers of the collateral folder', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { leaf, issuer, root } = await certify(azureKey(tpm));
  // NV indexes are larger than what they hold.
  defineNv(tpm, AZURE.certificate, Uint8Array.of(...leaf.der, ...new Uint8Array(300)));
  const issuers = mkdtempSync(join(tmpdir(), 'cmcp-issuers-'));
  t.after(() => rmSync(issuers, { recursive: true }));
  writeFileSync(join(issuers, 'authority.der'), issuer.der);
  writeFileSync(join(issuers, 'notes.txt'), 'not read');
  const { provider } = await openProvider(t, tpm, { issuers });
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  assert.equal(parsePublic(beside(evidence, 'ak_public')).key.kind, 'rsa');
  // The root travels with the evidence: who verifies has its fingerprint only.
  const { certificate: _, ...fingerprint } = root;
  const verdict = await judged(evidence, bound, [fingerprint]);
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
});

test('a certificate of another key at the place of Azure’s leads to the gateway’s own key', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const spki = azureKey(tpm);
  const stranger = await certify(spkiOf((await identified(t, tpm)).identity.key.area.key));
  defineNv(tpm, AZURE.certificate, stranger.leaf.der);
  const { identity, heard } = await identified(t, tpm);
  assert.notDeepEqual(identity.key.spki, spki);
  assert.deepEqual([identity.key.certificate, identity.chain], [null, []]);
  assert.match(
    heard.join(),
    /the key of the Azure platform is not used: the certificate beside it is one of another key/,
  );
});

test('a platform key that signs anything is refused', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { leaf } = await certify(azureKey(tpm, 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'));
  defineNv(tpm, AZURE.certificate, leaf.der);
  await assert.rejects(
    identified(t, tpm),
    isFailure(/cannot quote with the key of the Azure platform: .*not: restricted/),
  );
});

for (const [name, indexes, algorithm] of [
  ['ECC', GOOGLE.ecc, 'ecc256:ecdsa-sha256:null'],
  ['RSA', GOOGLE.rsa, 'rsa2048:rsassa-sha256:null'],
] as const) {
  test(`the ${name} key of a Google Cloud VM is made from its template, and is the one of its certificate`, async (t) => {
    const tpm = present(t);
    if (tpm === null) return;
    const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign';
    tpm.run('tpm2_createprimary', '-C', 'e', '-G', algorithm, '-g', 'sha256', '-a', attributes, '-c', 'g.ctx');
    const { leaf, root } = await certify(spkiAt(tpm, 'g.ctx'));
    tpm.run('tpm2_readpublic', '-c', 'g.ctx', '-o', 'g.pub');
    defineNv(tpm, indexes.certificate, leaf.der);
    defineNv(tpm, indexes.template, emptied(tpm.file('g.pub').subarray(2), name));
    const { provider } = await openProvider(t, tpm);
    const bound = random(64);
    const verdict = await judged(await collectOne(provider, bound), bound, [root]);
    assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
    // The template of another key.
    tpm.run('tpm2_nvundefine', `0x${indexes.template.toString(16)}`);
    const other = emptied(tpm.file('g.pub').subarray(2), name);
    other[7] = (other[7] ?? 0) & ~0x40;
    defineNv(tpm, indexes.template, other);
    const { identity, heard } = await identified(t, tpm);
    assert.equal(identity.key.certificate, null);
    assert.match(heard.join(), /Google Cloud platform is not used/);
  });
}

/** A public area as a template: without the key itself (what is unique is chosen by the TPM). */
function emptied(area: Bytes, kind: 'ECC' | 'RSA'): Bytes {
  const unique = kind === 'RSA' ? 2 + 256 : 4 + 64;
  return Uint8Array.of(...area.subarray(0, area.length - unique), ...new Uint8Array(kind === 'RSA' ? 2 : 4));
}

test('the certificate of the endorsement key goes up as far as the TPM and the folder have its issuers', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const alone = await identified(t, tpm);
  assert.equal(alone.identity.endorsement.length, 1);
  assert.equal(alone.identity.isSoftware, true);
  const folder = mkdtempSync(join(tmpdir(), 'cmcp-ca-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['issuercert.pem', 'swtpm-localca-rootca-cert.pem'])
    writeFileSync(join(folder, name), tpm.file(`ca/${name}`));
  const pool = await certificatesIn(folder, systemTsmFs, () => {});
  assert.equal((await identified(t, tpm, pool)).identity.endorsement.length, 3);
  defineNv(tpm, AFTER_CHAIN, Uint8Array.of(1));
  // The TPM's own chain, cut in the middle of a certificate.
  const chain = Uint8Array.from(pool.flatMap(({ der }) => [...der]));
  defineNv(tpm, EK_CHAIN, chain.subarray(0, 700));
  defineNv(tpm, EK_CHAIN + 1, Uint8Array.of(...chain.subarray(700), 0, 0, 0));
  const { identity, heard } = await identified(t, tpm);
  assert.equal(identity.endorsement.length, 3, heard.join());
});

test('another key in the place of the certified one is not used, also while the gateway runs', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { leaf } = await certify(azureKey(tpm));
  defineNv(tpm, AZURE.certificate, leaf.der);
  const { provider } = await openProvider(t, tpm);
  await collectOne(provider, random(64));
  tpm.run('tpm2_evictcontrol', '-c', AZURE.key);
  azureKey(tpm, 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign');
  await assert.rejects(
    collectOne(provider, random(64)),
    isFailure(/another attestation key than when the gateway started/),
  );
});

test('an index is read as it allows, and one that is not written or not ours to read holds nothing', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { leaf } = await certify(azureKey(tpm));
  const origin = async () => (await identified(t, tpm)).identity.key.origin;
  defineNv(tpm, AZURE.certificate, leaf.der);
  tpm.run('tpm2_evictcontrol', '-c', AZURE.key);
  assert.equal(await origin(), 'the key of this gateway');
  tpm.run('tpm2_evictcontrol', '-c', 'az.ctx', AZURE.key);
  tpm.run('tpm2_nvundefine', '0x1c101d0');
  const again = (attributes: string, content: Uint8Array = leaf.der) => {
    tpm.run('tpm2_nvundefine', '0x1c101d0');
    defineNv(tpm, AZURE.certificate, content, attributes);
  };
  tpm.run('tpm2_nvdefine', '0x1c101d0', '-C', 'o', '-s', '100', '-a', 'ownerwrite|ownerread|authread|authwrite');
  assert.equal(await origin(), 'the key of this gateway');
  again('ownerwrite|ownerread');
  assert.equal(await origin(), 'the key of the Azure platform');
  again('ownerwrite|authread');
  assert.equal(await origin(), 'the key of the Azure platform');
  again('ownerwrite|policyread');
  assert.equal(await origin(), 'the key of this gateway');
  again('ownerwrite|ownerread', Uint8Array.of(...leaf.der, ...leaf.der));
  assert.equal(await origin(), 'the key of this gateway');
});

test('certificates that cannot be read are left out, and the reason is told', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  defineNv(tpm, EK_CHAIN, Uint8Array.of(0x30, 0x82, 0x00, 0x02, 0x05, 0x00));
  // Beyond the range of the chain: not read.
  defineNv(tpm, AFTER_CHAIN, Uint8Array.of(1));
  defineNv(tpm, AZURE.certificate, Uint8Array.of(0x30, 0x82, 0xff, 0xff, 1));
  const { identity, heard } = await identified(t, tpm);
  assert.equal(identity.endorsement.length, 1);
  assert.match(heard.join('\n'), /NV index 0x01C101D0 cannot be read/);
  assert.match(heard.join('\n'), /chain of the endorsement key in NV cannot be read/);
  const folder = mkdtempSync(join(tmpdir(), 'cmcp-bad-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'text.pem'), 'text');
  writeFileSync(join(folder, 'notes.txt'), 'text');
  mkdirSync(join(folder, 'folder.der'));
  const told: string[] = [];
  assert.deepEqual(await certificatesIn(folder, systemTsmFs, (detail) => told.push(detail)), []);
  assert.equal(told.length, 2);
  assert.match(told.join('\n'), /folder\.der cannot be read \(EISDIR\)\n.*text\.pem is left out/);
});

test('only a TPM that names itself so is a software TPM', async () => {
  const named = (words: string): Promise<boolean> => {
    const at = (property: number) => words.slice(4 * (property - 0x106), 4 * (property - 0x106) + 4).padEnd(4, '\0');
    const property = async (asked: number) => (words === '' ? null : Buffer.from(at(asked), 'latin1').readUInt32BE());
    return isSoftwareTpm({ property } as Partial<TpmCommands> as TpmCommands);
  };
  for (const words of ['SW   TPM', 'SW  \0 TPM', 'xCG fTPM']) assert.equal(await named(words), true, words);
  for (const words of ['', 'Intel', 'SLB9670', 'SW TPM 2']) assert.equal(await named(words), false, words);
});

test('a TPM that cannot be used is let go of', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  let closed = 0;
  const opened = openTpm(tpm.address);
  const close = async () => {
    closed++;
    await opened.close();
  };
  const counted: Tpm = { run: (work) => opened.run(work), close };
  await assert.rejects(openProvider(t, tpm, { tpm: counted, akCertificate: '/nowhere/ak.pem' }), isFailure(/ENOENT/));
  assert.equal(closed, 1);
});

test('what fills an index after its certificates is zeros or erased memory, and anything else is refused', () => {
  const certificate = Uint8Array.of(0x30, 0x82, 0, 1, 7);
  for (const fill of [0, 0xff]) {
    const padded = Uint8Array.of(...certificate, ...certificate, ...new Uint8Array(9).fill(fill));
    assert.deepEqual(withoutFiller(padded), padded.subarray(0, 10));
  }
  for (const rest of [[1], [0, 1], [0xff, 0]])
    assert.throws(
      () => withoutFiller(Uint8Array.of(...certificate, ...rest)),
      FormatError,
      encodeHex(Uint8Array.from(rest)),
    );
  const others = [[0x30, 0x81, 0, 0], [0x30, 0x82, 0, 9, 7], [0x30]];
  for (const bytes of others) assert.throws(() => withoutFiller(Uint8Array.from(bytes)), FormatError, String(bytes));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        withoutFiller(new Uint8Array(bytes));
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }),
  );
});
