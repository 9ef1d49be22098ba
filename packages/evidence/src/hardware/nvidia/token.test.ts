import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { sha256Hex } from '../../crypto/sha256.ts';
import { jwkOf, keySet, makeToken, signJws, type TokenParts } from '../../testing/gpu.ts';
import { issueCertificate, newKeyPair, type TestKeyPair } from '../../testing/pki.ts';
import { vectorCases } from '../../testing/vectors.ts';
import type { EvidenceGiven } from '../given.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { nvidiaEvidence } from './evidence.ts';

const IAT = 1_780_000_000;
const NONCE = new Uint8Array(32).fill(0x5a);
const GIVEN: EvidenceGiven = { at: IAT + 60, anchors: [], nonce: NONCE };

let keys: TestKeyPair;
before(async () => {
  keys = await newKeyPair('p384');
});

function check(found: EvidenceVerdict, id: string) {
  return found.checks.find((each) => each.id === id);
}

function failures(found: EvidenceVerdict): string[] {
  return found.checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
}

async function verdict(parts: TokenParts, given: Partial<EvidenceGiven> = {}): Promise<EvidenceVerdict> {
  return nvidiaEvidence({ eat: await makeToken(keys, parts), jwks: keySet(keys) }, { ...GIVEN, ...given });
}

test('nothing supplied, wrong supplied, right supplied', async () => {
  const eat = await makeToken(keys);
  const good = await nvidiaEvidence({ eat, jwks: keySet(keys) }, GIVEN);
  assert.deepEqual([good.authentic, good.acceptable, good.root?.source], [true, true, 'key'], good.summary);
  assert.match(check(good, 'nvidia.measurements')?.detail ?? '', /out of scope/);
  assert.equal(good.facts['GPU-0 model'], 'GH100 A01 GSP BROM');
  const keyless = await nvidiaEvidence({ eat }, GIVEN);
  assert.deepEqual([keyless.authentic, keyless.acceptable, keyless.root], [false, false, null]);
  assert.equal(check(keyless, 'nvidia.signature')?.outcome, 'not checked');
  const other = await nvidiaEvidence({ eat, jwks: keySet(await newKeyPair('p384')) }, GIVEN);
  assert.deepEqual([other.authentic, failures(other), other.root], [false, ['nvidia.signature'], null]);
  const unnamed = await nvidiaEvidence({ eat, jwks: keySet(keys, 'another') }, GIVEN);
  assert.deepEqual([unnamed.authentic, check(unnamed, 'nvidia.signature')?.outcome], [false, 'not checked']);
});

test('a key of the set that is for encryption, or for signing only, verifies no token [ATK-37]', async () => {
  const eat = await makeToken(keys);
  const under = (members: object) => {
    const jwks = encodeUtf8(JSON.stringify({ keys: [{ ...jwkOf(keys, 'test-key'), ...members }] }));
    return nvidiaEvidence({ eat, jwks }, GIVEN);
  };
  for (const members of [{}, { use: 'sig' }, { key_ops: ['verify'] }])
    assert.equal((await under(members)).authentic, true);
  for (const members of [{ use: 'enc' }, { use: 1 }, { key_ops: ['sign'] }, { key_ops: 'verify' }]) {
    assert.equal((await under(members)).authentic, false, JSON.stringify(members));
  }
});

test('the genuine token is read to its devices, and is not authentic without its key', async (t) => {
  const genuine = vectorCases('nvidia', 'nvidia-device')?.find(({ id }) => id.startsWith('nras-hopper-eat'));
  if (genuine === undefined) return t.skip('the shared vectors are not here');
  const found = await nvidiaEvidence(genuine.files, { at: 1_749_601_900, anchors: [] });
  assert.equal(found.authentic, false);
  assert.deepEqual(failures(found), []);
  for (const id of ['nvidia.submodules', 'nvidia.issuer', 'nvidia.one_answer', 'nvidia.time', 'nvidia.nonce']) {
    assert.equal(check(found, id)?.outcome, 'proven', id);
  }
  const forged = await nvidiaEvidence({ ...genuine.files, jwks: keySet(keys) }, { at: genuine.at, anchors: [] });
  assert.equal(forged.authentic, false);
});

test('only ES384 is accepted, whatever the header says', async () => {
  for (const alg of ['none', 'ES256', 'HS384', 'es384', '', 5]) {
    const found = await verdict({ header: { alg } });
    assert.equal(found.authentic, false, String(alg));
  }
  for (const header of [
    { jwk: jwkOf(keys, 'x') },
    { jku: 'https://example.com' },
    { crit: ['exp'] },
    { kid: undefined },
  ]) {
    assert.equal((await verdict({ header })).authentic, false, JSON.stringify(header));
  }
});

test('a key whose name cannot be shown is no key', async () => {
  const kid = 'bell \u0007';
  const found = await nvidiaEvidence({ eat: await makeToken(keys, { kid }), jwks: keySet(keys, kid) }, GIVEN);
  assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.form']]);
});

test('the service is the one that is pinned, in every token', async () => {
  const iss = 'https://nras.example.com';
  for (const parts of [
    { overall: { iss } },
    { devices: { 'GPU-0': { iss } } },
    { overall: { sub: 'SOMETHING-ELSE' } },
  ]) {
    const found = await verdict(parts);
    assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.issuer']]);
  }
});

test('the device tokens are those of the overall token, all of them and no others', async () => {
  const two = { devices: { 'GPU-0': {}, 'GPU-1': {} } };
  const written = JSON.parse(new TextDecoder().decode(await makeToken(keys, two)));
  const verify = (value: unknown) =>
    nvidiaEvidence({ eat: encodeUtf8(JSON.stringify(value)), jwks: keySet(keys) }, GIVEN);
  assert.equal((await verify(written)).authentic, true);
  const [overall, devices] = written;
  const single = JSON.parse(new TextDecoder().decode(await makeToken(keys)))[1]['GPU-0'];
  const bad = {
    missing: { 'GPU-0': devices['GPU-0'] },
    surplus: { ...devices, 'GPU-2': devices['GPU-0'] },
    replaced: { ...devices, 'GPU-0': single },
    swapped: { 'GPU-0': devices['GPU-1'], 'GPU-1': devices['GPU-0'] },
  };
  for (const [what, value] of Object.entries(bad)) {
    const found = await verify([overall, value]);
    assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.submodules']], what);
  }
  assert.deepEqual(failures(await verdict({ devices: {} })), ['nvidia.submodules', 'nvidia.gpu']);
});

test('every device token is signed, also when the overall token has its digest', async () => {
  const other = await newKeyPair('p384');
  const [, devices] = JSON.parse(new TextDecoder().decode(await makeToken(other)));
  const digest = ['DIGEST', ['SHA-256', sha256Hex(devices['GPU-0'])]];
  const [overall] = JSON.parse(
    new TextDecoder().decode(await makeToken(keys, { overall: { submods: { 'GPU-0': digest } } })),
  );
  const eat = encodeUtf8(JSON.stringify([overall, devices]));
  const found = await nvidiaEvidence({ eat, jwks: keySet(keys) }, GIVEN);
  assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.signature']]);
});

test('all tokens answer one challenge, and it is ours', async () => {
  const mixed = await verdict({ devices: { 'GPU-0': { eat_nonce: '5b'.repeat(32) } } });
  assert.deepEqual([mixed.authentic, failures(mixed)], [false, ['nvidia.one_answer']]);
  const other = await verdict({ nonce: '5b'.repeat(32) });
  assert.deepEqual([other.authentic, other.acceptable, failures(other)], [true, false, ['nvidia.nonce']]);
  const eat = await makeToken(keys);
  const open = await nvidiaEvidence({ eat, jwks: keySet(keys) }, { at: GIVEN.at, anchors: [] });
  assert.deepEqual([open.authentic, open.acceptable], [true, null]);
});

test('a token is in force from its first to its last second', async () => {
  const cases: [number, boolean][] = [
    [IAT - 1, false],
    [IAT, true],
    [IAT + 3599, true],
    [IAT + 3600, false],
  ];
  for (const [at, holds] of cases) {
    const found = await verdict({}, { at });
    assert.deepEqual([found.authentic, found.acceptable], [true, holds], String(at - IAT));
  }
  for (const claims of [{ exp: IAT }, { nbf: IAT + 100 }, { iat: IAT + 100 }]) {
    assert.deepEqual(failures(await verdict({ devices: { 'GPU-0': claims } })), ['nvidia.time']);
    assert.deepEqual(failures(await verdict({ overall: claims })), ['nvidia.time']);
  }
  assert.deepEqual(failures(await verdict({}, { at: Number.NaN })), ['nvidia.time']);
});

test('what the service says must be good throughout', async () => {
  const cases: [TokenParts, string][] = [
    [{ overall: { 'x-nvidia-overall-att-result': false } }, 'nvidia.result'],
    [{ devices: { 'GPU-0': { measres: 'fail' } } }, 'nvidia.result'],
    [{ devices: { 'GPU-0': {}, 'GPU-1': { measres: undefined } } }, 'nvidia.result'],
    [{ devices: { 'GPU-0': { dbgstat: 'enabled' } } }, 'nvidia.debug'],
    [{ devices: { 'GPU-0': { dbgstat: undefined } } }, 'nvidia.debug'],
    [{ devices: { 'GPU-0': { secboot: false } } }, 'nvidia.secure_boot'],
    [{ devices: { 'GPU-0': { secboot: undefined } } }, 'nvidia.secure_boot'],
    [{ devices: { 'SWITCH-0': {} } }, 'nvidia.gpu'],
  ];
  for (const [parts, id] of cases) {
    const found = await verdict(parts);
    assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, [id]]);
  }
});

test('the policy names a number of GPUs, drivers and VBIOS versions', async () => {
  const two = { devices: { 'GPU-0': {}, 'GPU-1': {}, 'SWITCH-0': {} } };
  const apply = (nvidia: NonNullable<EvidenceGiven['policy']>['nvidia'], parts: TokenParts = two) =>
    verdict(parts, { policy: { nvidia: nvidia ?? {} } });
  const good = await apply({ gpus: 2, driverVersions: ['590.12'], vbiosVersions: ['96.00.9F.00.01'] });
  assert.equal(good.acceptable, true, good.summary);
  assert.deepEqual(failures(await apply({ gpus: 3 })), ['nvidia.gpus']);
  const older = { devices: { 'GPU-0': {}, 'GPU-1': { 'x-nvidia-gpu-driver-version': '550.1' } } };
  assert.deepEqual(failures(await apply({ driverVersions: ['590.12'] }, older)), ['nvidia.driver']);
  assert.deepEqual(failures(await apply({ vbiosVersions: ['1'] }, { devices: { 'GPU-0': {} } })), ['nvidia.vbios']);
});

test('what has not the form of such an answer is refused', async () => {
  const good = JSON.parse(new TextDecoder().decode(await makeToken(keys)));
  const [[, overall], devices] = good;
  const bad: unknown[] = [
    {},
    [],
    [['JWT', overall]],
    [['JWT', overall], devices, {}],
    [['CWT', overall], devices],
    [['JWT', overall, 1], devices],
    [['JWT', 'a.b'], devices],
    [['JWT', overall], { 'GPU-x': devices['GPU-0'] }],
    [['JWT', overall], { 'GPU-0': 5 }],
    [['JWT', await signJws({ alg: 'ES384' }, [1], keys)], devices],
  ];
  for (const value of bad) {
    const found = await nvidiaEvidence({ eat: encodeUtf8(JSON.stringify(value)), jwks: keySet(keys) }, GIVEN);
    assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.form']], JSON.stringify(value).slice(0, 80));
  }
  const claims: Record<string, unknown>[] = [
    { 'x-nvidia-ver': '9.0' },
    { exp: '1' },
    { exp: 1.5 },
    { exp: 1e18 },
    { iat: 1e14 },
    { eat_nonce: 'xyz' },
    { submods: { 'GPU-0': ['DIGEST', ['SHA-1', '00'.repeat(32)]] } },
    { submods: { 'GPU-0': ['DIGEST', ['SHA-256', '00']] } },
    { 'x-nvidia-overall-att-result': 'true' },
    { iss: undefined },
  ];
  for (const part of claims) {
    assert.deepEqual(failures(await verdict({ overall: part })), ['nvidia.form'], JSON.stringify(part));
  }
});

test('key sets: certificates count as keys, contradictions and doubles are refused, other kinds are left out', async () => {
  const eat = await makeToken(keys);
  const attempt = (set: unknown) => nvidiaEvidence({ eat, jwks: encodeUtf8(JSON.stringify(set)) }, GIVEN);
  const own = jwkOf(keys, 'test-key');
  const { der } = await issueCertificate({ subject: 'CN=NRAS', keys });
  const { der: foreign } = await issueCertificate({ subject: 'CN=NRAS', keys: await newKeyPair('p384') });
  const p256 = await issueCertificate({ subject: 'CN=NRAS', keys: await newKeyPair('p256') });
  const x5c = [Buffer.from(der).toString('base64')];
  const { x: _x, y: _y, ...bare } = own;
  assert.equal((await attempt({ keys: [{ ...bare, x5c }] })).authentic, true);
  assert.equal(
    (
      await attempt({
        keys: [
          { kid: 'r', kty: 'RSA' },
          { ...own, x5c },
        ],
      })
    ).authentic,
    true,
  );
  const bad: unknown[] = [
    {},
    [],
    { keys: {} },
    { keys: [own, own] },
    { keys: [{ ...own, kid: undefined }] },
    { keys: [bare] },
    { keys: [{ ...own, x5c: [Buffer.from(foreign).toString('base64')] }] },
    { keys: [{ ...bare, x5c: [] }] },
    { keys: [{ ...bare, x5c: ['!'] }] },
    { keys: [{ ...bare, x5c: [Buffer.from(p256.der).toString('base64')] }] },
    { keys: [{ ...own, x: 'AA' }] },
    { keys: [{ ...own, y: 7 }] },
  ];
  for (const set of bad) assert.deepEqual(failures(await attempt(set)), ['nvidia.form'], JSON.stringify(set));
  for (const set of [{ keys: [] }, { keys: [{ ...own, crv: 'P-256' }] }, { keys: [{ ...own, kty: 'RSA' }] }]) {
    assert.equal((await attempt(set)).authentic, false);
  }
  assert.equal((await nvidiaEvidence({ eat, jwks: encodeUtf8('{"keys":[],"keys":[]}') }, GIVEN)).authentic, false);
});

test('no character of the tokens can be changed', async () => {
  const text = new TextDecoder().decode(await makeToken(keys));
  for (let at = 0; at < text.length; at += 7) {
    const other = text[at] === 'A' ? 'B' : 'A';
    const eat = encodeUtf8(text.slice(0, at) + other + text.slice(at + 1));
    const found = await nvidiaEvidence({ eat, jwks: keySet(keys) }, GIVEN);
    assert.equal(found.authentic, false, `character ${at}`);
  }
});

test('any JSON as answer or as keys gives a verdict', async () => {
  const eat = await makeToken(keys);
  await fc.assert(
    fc.asyncProperty(fc.json(), fc.boolean(), async (json, asKeys) => {
      const files = asKeys ? { eat, jwks: encodeUtf8(json) } : { eat: encodeUtf8(json), jwks: keySet(keys) };
      assert.equal((await nvidiaEvidence(files, GIVEN)).authentic, false);
    }),
    { numRuns: 100 },
  );
  for (const deep of [
    '['.repeat(100_000),
    `{"keys":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    '{"__proto__":{"keys":[]}}',
  ]) {
    assert.equal((await nvidiaEvidence({ eat: encodeUtf8(deep), jwks: encodeUtf8(deep) }, GIVEN)).authentic, false);
    assert.equal((await nvidiaEvidence({ eat, jwks: encodeUtf8(deep) }, GIVEN)).authentic, false);
  }
});
