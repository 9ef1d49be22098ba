import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeHex, parseSnpReport } from '@cmcp/evidence';
import { collateralIn, errno, snpMachine, tdxMachine } from '../../../../../tests/support/tsm-double.ts';
import { GatewayError } from '../../errors.ts';
import { CollateralFolder } from './folder.ts';
import { snpChainPath, snpLeafPath, TDX_ROLES, tdxPath } from './layout.ts';

const PLATFORM = { fmspc: '50806f000000', ca: 'platform' } as const;
const unusable = (words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'COLLATERAL_UNAVAILABLE' && words.test(error.detail);

async function snp() {
  const { collateralFiles, made } = await snpMachine();
  const report = parseSnpReport(made.files.report);
  const [chipId, tcb] = [encodeHex(report.chipId), encodeHex(report.reportedTcb)];
  return { files: new Map(collateralFiles), key: { kind: 'vcek', product: 'Milan', chipId, tcb } as const };
}

test('the folder is laid out by product, chip and TCB version, and by platform of Intel', () => {
  const key = { product: 'Milan', chipId: 'c4', tcb: '09' } as const;
  assert.equal(snpLeafPath({ ...key, kind: 'vcek' }), 'sev-snp/milan/vcek/c4-09.der');
  assert.equal(snpLeafPath({ ...key, kind: 'vlek' }), 'sev-snp/milan/vlek/09.der');
  assert.equal(snpChainPath('Turin', 'vlek'), 'sev-snp/turin/vlek-chain.pem');
  assert.equal(tdxPath(PLATFORM, 'tcb_info'), 'tdx/50806f000000-platform/tcb_info.json');
  assert.equal(tdxPath(PLATFORM, 'root_crl'), 'tdx/50806f000000-platform/root_crl.der');
});

test('what is there is read, and what is not is not', async () => {
  const { files, key } = await snp();
  const folder = collateralIn(files);
  assert.equal((await folder.snpLeaf(key))?.subject.commonName, 'SEV-VCEK');
  assert.equal(await folder.snpLeaf({ ...key, tcb: '00' }), null);
  assert.equal(await folder.snpLeaf({ ...key, product: 'Genoa' }), null);
  const issuers = await folder.snpIssuers('Milan', 'vcek');
  assert.equal(issuers?.chain.length, 2);
  assert.ok(issuers.crl);
  assert.equal(await folder.snpIssuers('Milan', 'vlek'), null);
  assert.equal(await folder.tdx(PLATFORM), null);
});

test('a file that is there and cannot be used is an error that names it', async () => {
  const { files, key } = await snp();
  const leaf = snpLeafPath(key);
  const chain = files.get(snpChainPath('Milan', 'vcek'));
  assert.ok(chain);
  const cases: [Uint8Array<ArrayBuffer>, RegExp][] = [
    [new Uint8Array(), /milan\/vcek\/.*: it is empty; run `cmcp attest fetch-collateral` again/],
    [Uint8Array.of(0x30, 0x82, 1), /milan\/vcek/],
    [new TextEncoder().encode('hello'), /no block/],
    [chain, /more than the one certificate/],
  ];
  for (const [bytes, words] of cases) {
    await assert.rejects(collateralIn(new Map(files).set(leaf, bytes)).snpLeaf(key), unusable(words));
  }
});

test('collateral of Intel is whole, in form, or refused', async () => {
  const { collateralFiles } = await tdxMachine();
  const read = await collateralIn(collateralFiles).tdx(PLATFORM);
  assert.deepEqual(Object.keys(read ?? {}).sort(), [...TDX_ROLES].sort());
  for (const role of ['tcb_info', 'tcb_chain'] as const) {
    const broken = new Map(collateralFiles).set(tdxPath(PLATFORM, role), new TextEncoder().encode('{"a":1,"a":2}'));
    await assert.rejects(collateralIn(broken).tdx(PLATFORM), unusable(new RegExp(role)));
  }
});

test('a folder that may not be read, or a file that is too large, is no empty folder', async () => {
  const { key } = await snp();
  for (const code of ['EACCES', 'EFBIG', 'EISDIR']) {
    const folder = new CollateralFolder('/', { readFile: () => Promise.reject(errno(code)) });
    await assert.rejects(folder.snpLeaf(key), unusable(new RegExp(`cannot be read \\(${code}\\)`)));
  }
  const defect = new CollateralFolder('/', { readFile: () => Promise.reject(new TypeError('a defect')) });
  await assert.rejects(defect.snpLeaf(key), TypeError);
});
