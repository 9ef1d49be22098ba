import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { decodeHex, encodeHex, type GatewayComponents, gatewayDigest, sha256 } from '@cmcp/evidence';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import { beside, collectOne, idsOf, judged, openEnrolled, random } from '../../../../../tests/support/tpm-provider.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

/** The TPM of these tests, without the index; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  else if (device.run('tpm2_getcap', 'handles-nv-index').includes(INDEX)) device.run('tpm2_nvundefine', INDEX);
  return device;
}

const INDEX = '0x1500432';
const COMPONENTS: GatewayComponents = { code: 'a'.repeat(64), policy: 'b'.repeat(64), config: 'c'.repeat(64) };
const NEXT: GatewayComponents = { ...COMPONENTS, code: 'd'.repeat(64) };

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => decodeHex(gatewayDigest(JSON.parse(text)));
const extended = (before: Uint8Array, digest: Uint8Array): Uint8Array<ArrayBuffer> =>
  sha256(Uint8Array.of(...before, ...digest));

function indexValue(tpm: SoftwareTpm): Uint8Array<ArrayBuffer> {
  tpm.run('tpm2_nvread', INDEX, '-o', 'nv.value');
  return tpm.file('nv.value');
}

test('what a gateway is made of is recorded in an index that outlives it, and sessions carry the record as continuity only', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root, heard } = await openEnrolled(t, tpm);
  const bound = random(64);
  await provider.recordGateway(COMPONENTS, bound.slice(0, 32));
  assert.deepEqual(
    heard.filter((detail) => detail.includes('recorded')),
    [],
  );
  const evidence = await collectOne(provider, bound);
  const verdict = await judged(evidence, bound, [root]);
  assert.equal(verdict.acceptable, true, verdict.summary);
  for (const id of ['tpm-nv.signatures', 'tpm-nv.freshness', 'tpm-nv.gateway_digest', 'tpm-nv.extend_relation'])
    assert.ok(idsOf(verdict, 'proven').includes(id), id);
  assert.ok(idsOf(verdict, 'asserted').includes('tpm-nv.code'));
  const seed = extended(new Uint8Array(32), sha256(new TextEncoder().encode('cmcp-nv-index-initialised-v1')));
  const first = extended(seed, bytesOf(JSON.stringify(COMPONENTS)));
  assert.deepEqual(indexValue(tpm), first);
  // The gateway after it extends what this one left.
  const later = await openEnrolled(t, tpm);
  await later.provider.recordGateway(NEXT, random(32));
  assert.deepEqual(indexValue(tpm), extended(first, bytesOf(JSON.stringify(NEXT))));
});

test('the record goes with sessions of the key that it was certified for, and with no other', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  const bound = random(64);
  await provider.recordGateway(COMPONENTS, bound.slice(0, 32));
  const other = await collectOne(provider, random(64));
  assert.equal(beside(other, 'nv_certify').length, 0);
  const own = await collectOne(provider, bound);
  const moved = { ...other, beside: own.beside.filter(({ role }) => role === 'tpm/nv_certify') };
  assert.ok(idsOf(await judged(moved, random(64), [root]), 'failed').includes('tpm-nv.freshness'));
});

test('an index of another kind at its place is not touched, and evidence goes without the record', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  tpm.write('policy', new Uint8Array(32).fill(7));
  const kinds = [
    ['-g', 'sha256', '-L', 'policy', '-a', 'nt=extend|ownerwrite|ownerread|authread|authwrite'],
    ['-s', '32', '-a', 'ownerwrite|ownerread|authread|authwrite'],
    ['-g', 'sha256', '-a', 'nt=extend|ownerwrite|ownerread|policyread|authwrite'],
    ['-g', 'sha384', '-a', 'nt=extend|ownerwrite|ownerread|authread|authwrite'],
  ];
  for (const kind of kinds) {
    tpm.run('tpm2_nvdefine', INDEX, '-C', 'o', ...kind);
    const { provider, heard } = await openEnrolled(t, tpm);
    const bound = random(64);
    await provider.recordGateway(COMPONENTS, bound.slice(0, 32));
    assert.match(heard.join('\n'), /NV index 0x01500432 is there, and is another kind of index/, kind.join(' '));
    assert.equal(beside(await collectOne(provider, bound), 'nv_certify').length, 0);
    tpm.run('tpm2_nvundefine', INDEX);
  }
});

test('an owner who keeps the authorisation stops no gateway: evidence goes without the record', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, heard } = await openEnrolled(t, tpm);
  tpm.run('tpm2_changeauth', '-c', 'owner', 'secret');
  const bound = random(64);
  await provider.recordGateway(COMPONENTS, bound.slice(0, 32));
  tpm.run('tpm2_changeauth', '-c', 'owner', '-p', 'secret');
  assert.match(heard.join('\n'), /the gateway is not recorded in the TPM: The TPM refused NV_DefineSpace/);
  assert.equal(beside(await collectOne(provider, bound), 'nv_certify').length, 0);
  await assert.rejects(provider.recordGateway(COMPONENTS, random(16)), RangeError);
  assert.equal(encodeHex(beside(await collectOne(provider, bound), 'nv_certify')), '');
});
