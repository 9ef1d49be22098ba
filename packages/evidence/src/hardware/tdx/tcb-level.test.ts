import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { newKeyPair } from '../../testing/pki.ts';
import { SOUND_SVN, type TdGuest, writeQuote } from '../../testing/tdx-quote.ts';
import { parseQuote } from './parse.ts';
import type { PckPlatform } from './pck.ts';
import type { QeIdentity } from './qe-identity.ts';
import { parseTcbInfo, type TcbInfo } from './tcb-info.ts';
import { moduleProblem, platformStatus, qeProblem, qeStatus } from './tcb-level.ts';

const KEYS = { attestationKey: await newKeyPair('p256'), pck: await newKeyPair('p256') };

async function bodyOf(guest: TdGuest, tdx15 = false) {
  const certificates = encodeUtf8('-');
  return parseQuote(await writeQuote({ version: tdx15 ? 5 : 4, tdx15, guest, certificates, ...KEYS })).body;
}

const PLATFORM: PckPlatform = {
  fmspc: '00806f050000',
  pceId: '0000',
  cpuSvn: '02'.repeat(16),
  pceSvn: 11,
  components: Array.from({ length: 16 }, () => 2),
};

const components = (...first: number[]) => Array.from({ length: 16 }, (_, i) => ({ svn: first[i] ?? 0 }));
const level = (status: string, sgx: number[], pcesvn: number, tdx: number[], advisoryIDs?: string[]) => ({
  tcb: { sgxtcbcomponents: components(...sgx), pcesvn, tdxtcbcomponents: components(...tdx) },
  tcbStatus: status,
  ...(advisoryIDs === undefined ? {} : { advisoryIDs }),
});
const MODULE = { mrsigner: '00'.repeat(48), attributes: '0000000000000000', attributesMask: 'FFFFFFFFFFFFFFFF' };
const module = (id: string, levels: [number, string][], changes = {}) => ({
  id,
  ...MODULE,
  ...changes,
  tcbLevels: levels.map(([isvsvn, tcbStatus]) => ({ tcb: { isvsvn }, tcbStatus, advisoryIDs: [`${id}-${isvsvn}`] })),
});

function info(changes: Record<string, unknown> = {}): TcbInfo {
  const body = {
    id: 'TDX',
    version: 3,
    issueDate: '2026-01-01T00:00:00Z',
    nextUpdate: '2026-02-01T00:00:00Z',
    fmspc: '00806F050000',
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: 17,
    tdxModule: MODULE,
    tdxModuleIdentities: [
      module('TDX_01', [
        [5, 'UpToDate'],
        [3, 'OutOfDate'],
      ]),
      module('TDX_0a', [[1, 'UpToDate']]),
    ],
    tcbLevels: [
      level('UpToDate', [2, 2], 11, [9, 0, 3]),
      level('SWHardeningNeeded', [2, 1], 11, [9, 0, 2], ['INTEL-SA-7']),
      level('OutOfDate', [1, 1], 5, [3, 0, 1]),
    ],
    ...changes,
  };
  return parseTcbInfo(encodeUtf8(JSON.stringify(body)));
}

const svn = (...first: number[]) => Uint8Array.from({ length: 16 }, (_, i) => first[i] ?? 0);

test('the first level that the platform reaches in every component is its level', async () => {
  const status = async (platform: Partial<PckPlatform>, teeTcbSvn: Uint8Array) =>
    platformStatus(info(), { ...PLATFORM, ...platform }, await bodyOf({ teeTcbSvn })).status;
  const sgx = (...first: number[]) => ({ components: Array.from({ length: 16 }, (_, i) => first[i] ?? 0) });
  assert.equal(await status({}, SOUND_SVN), 'UpToDate');
  assert.equal(await status(sgx(2, 1), SOUND_SVN), 'SWHardeningNeeded');
  assert.equal(await status(sgx(1, 2), SOUND_SVN), 'OutOfDate');
  assert.equal(await status(sgx(0, 2), SOUND_SVN), 'NotSupported');
  assert.equal(await status({ pceSvn: 10 }, SOUND_SVN), 'OutOfDate');
  assert.equal(await status({ pceSvn: 4 }, SOUND_SVN), 'NotSupported');
  assert.equal(await status({}, svn(5, 1, 2)), 'SWHardeningNeeded');
  assert.equal(await status({}, svn(5, 1, 0)), 'NotSupported');
});

test('before major version 1 the module is judged with the platform, from then on by its own levels', async () => {
  const status = async (...first: number[]) =>
    platformStatus(info(), PLATFORM, await bodyOf({ teeTcbSvn: svn(...first) }));
  assert.equal((await status(9, 0, 3)).status, 'UpToDate');
  assert.equal((await status(8, 0, 3)).status, 'OutOfDate');
  assert.equal((await status(2, 0, 3)).status, 'NotSupported');
  assert.equal((await status(5, 1, 3)).status, 'UpToDate');
  assert.equal((await status(4, 1, 3)).status, 'OutOfDate');
  assert.equal((await status(2, 1, 3)).status, 'NotSupported');
  assert.equal((await status(1, 10, 3)).status, 'UpToDate');
  assert.equal((await status(9, 2, 3)).status, 'NotSupported');
  assert.deepEqual((await status(4, 1, 2)).advisories, ['INTEL-SA-7', 'TDX_01-3']);
});

test('in TDX 1.5 the numbers at launch count as much as those of now', async () => {
  const status = async (launch: Uint8Array, now: Uint8Array) =>
    platformStatus(info(), PLATFORM, await bodyOf({ teeTcbSvn: launch, teeTcbSvn2: now }, true)).status;
  assert.equal(await status(SOUND_SVN, SOUND_SVN), 'UpToDate');
  assert.equal(await status(svn(4, 1, 3), SOUND_SVN), 'OutOfDate');
  assert.equal(await status(SOUND_SVN, svn(4, 1, 3)), 'OutOfDate');
  assert.equal(await status(SOUND_SVN, svn(5, 2, 3)), 'NotSupported');
});

test('signer and attributes of the module are those that the TCB info names for its version', async () => {
  const signer = { mrsigner: 'AB'.repeat(48) };
  const other = info({
    tdxModule: { ...MODULE, ...signer },
    tdxModuleIdentities: [module('TDX_01', [[5, 'UpToDate']])],
  });
  const signed = await bodyOf({ mrSignerSeam: new Uint8Array(48).fill(0xab) });
  assert.equal(moduleProblem(info(), await bodyOf({})), null);
  assert.match(String(moduleProblem(info(), signed)), /signer/);
  assert.match(String(moduleProblem(other, await bodyOf({ teeTcbSvn: svn(9, 0, 3) }))), /signer/);
  assert.equal(moduleProblem(other, await bodyOf({})), null);
  assert.match(String(moduleProblem(info(), await bodyOf({ teeTcbSvn: svn(5, 2, 3) }))), /major version 2/);
  assert.match(String(moduleProblem(info({ tdxModuleIdentities: undefined }), await bodyOf({}))), /major version 1/);
  assert.match(String(moduleProblem(info(), await bodyOf({ teeTcbSvn2: svn(5, 2, 3) }, true))), /major version 2/);
  const attributes = await bodyOf({ seamAttributes: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1) });
  assert.match(String(moduleProblem(info(), attributes)), /attributes/);
  const masked = info({
    tdxModuleIdentities: [module('TDX_01', [[5, 'UpToDate']], { attributesMask: 'FFFFFFFFFFFFFF00' })],
  });
  assert.equal(moduleProblem(masked, attributes), null);
});

test('the quoting enclave is compared with its identity under the masks, and has the level of its version', async () => {
  const { report } = parseQuote(
    await writeQuote({ version: 4, tdx15: false, certificates: encodeUtf8('-'), ...KEYS }),
  ).qe;
  const identity: QeIdentity = {
    validity: { issued: 0, nextUpdate: 1 },
    evaluationDataNumber: 17,
    mrSigner: 'dc'.repeat(32),
    isvProdId: 2,
    miscSelect: '00000000',
    miscSelectMask: 'ffffffff',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'fbffffffffffffff0000000000000000',
    levels: [
      { isvSvn: 6, status: 'UpToDate', advisories: [] },
      { isvSvn: 4, status: 'Revoked', advisories: ['INTEL-SA-9'] },
    ],
  };
  assert.equal(qeProblem(identity, report), null);
  assert.match(String(qeProblem({ ...identity, mrSigner: 'dd'.repeat(32) }, report)), /signer/);
  assert.match(String(qeProblem({ ...identity, isvProdId: 1 }, report)), /product/);
  assert.match(String(qeProblem(identity, { ...report, miscSelect: '01000000' })), /MISCSELECT/);
  assert.match(String(qeProblem(identity, { ...report, attributes: `13${report.attributes.slice(2)}` })), /attributes/);
  assert.equal(qeProblem(identity, { ...report, attributes: `11${report.attributes.slice(2)}` }), null);
  const status = (isvSvn: number) => qeStatus(identity, { ...report, isvSvn });
  assert.deepEqual(
    [7, 6, 5, 4, 3].map((each) => status(each).status),
    ['UpToDate', 'UpToDate', 'Revoked', 'Revoked', 'NotSupported'],
  );
});
