import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FormatError } from '../format-error.ts';
import type { EvidencePolicy } from './policy.ts';
import { readEvidencePolicy } from './policy-file.ts';

const B32 = 'ab'.repeat(32);
const B48 = 'ab'.repeat(48);
/** Every member that a policy may have. */
const WHOLE: Required<EvidencePolicy> = {
  sevSnp: {
    allowDebug: false,
    maxVmpl: 0,
    minTcb: { bootloader: 1, tee: 0, snp: 2, microcode: 3, fmc: 4 },
    measurements: [B48],
    hostData: B32,
    idKeyDigests: [B48],
    authorKeyDigests: [B48],
    platform: { smt: true, tsme: false, ecc: true, raplDisabled: true, ciphertextHiding: true, aliasCheck: true },
    guest: { smt: true, migration: false, singleSocket: true },
    minGuestSvn: 1,
    mitigations: '1f',
    requireCrl: true,
  },
  tdx: {
    allowDebug: false,
    allowTcbStatus: ['SWHardeningNeeded'],
    allowAdvisories: ['INTEL-SA-00837'],
    mrtd: [B48],
    mrSeam: [B48],
    mrConfigId: B48,
    mrOwner: B48,
    mrOwnerConfig: B48,
    rtmr: { '0': [B48], '1': [B48], '2': [B48], '3': [B48] },
    requireSeptVeDisable: true,
    allowTrailingBytes: true,
  },
  tpm: {
    pcrs: { sha256: { '11': [B32] }, sha384: { '11': [B48] }, sha512: { '4': ['ab'.repeat(64)] } },
    selection: 'sha256:0,1,12',
    firmwareVersions: ['1.2'],
  },
  nvidia: { gpus: 1, driverVersions: ['590.12'], vbiosVersions: ['96.00'] },
};

/** Every path to a member, the objects on the way too. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  const own = path.length === 0 ? [] : [path];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return own;
  return [...own, ...Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, [...path, name]))];
}

/** A policy in which that member alone is `value`. */
function policyWith(path: readonly string[], value: unknown): string {
  return JSON.stringify(path.reduceRight((inner, name) => ({ [name]: inner }), value));
}

test('a policy of every member is read as it is written, and so is an empty one', () => {
  assert.deepEqual(readEvidencePolicy(JSON.stringify(WHOLE)), WHOLE);
  assert.deepEqual(readEvidencePolicy(new TextEncoder().encode(JSON.stringify(WHOLE))), WHOLE);
  assert.deepEqual(readEvidencePolicy('{}'), {});
});

test('a member of another type is refused by its name, wherever it stands', () => {
  for (const path of pathsOf(WHOLE)) {
    for (const value of [null, 'yes please\n', -1, [[]], 0.5]) {
      const text = policyWith(path, value);
      assert.throws(() => readEvidencePolicy(text), FormatError, text);
      assert.throws(() => readEvidencePolicy(text), new RegExp(`policy\\.${path.join('\\.')}`), text);
    }
  }
});

test('a member that is misspelt is refused in every object: its rule would not be kept', () => {
  // Banks and registers are names of the relying party: one that no quote has is refused when it is compared.
  for (const path of pathsOf(WHOLE).filter(([, name, bank]) => name !== 'pcrs' || bank === undefined)) {
    const text = policyWith([...path.slice(0, -1), `${path.at(-1)}s`], []);
    assert.throws(() => readEvidencePolicy(text), /a member that is not allowed/, text);
  }
});

test('digests and values have their length, in lower case', () => {
  const wrong: [string[], unknown][] = [
    [['sevSnp', 'measurements'], [B32]],
    [['sevSnp', 'measurements'], [B48.toUpperCase()]],
    [['sevSnp', 'measurements'], [`${B48}\n`]],
    [['sevSnp', 'hostData'], B48],
    [['sevSnp', 'idKeyDigests'], [B32]],
    [['sevSnp', 'authorKeyDigests'], [B32]],
    [['sevSnp', 'mitigations'], '0x1f'],
    [['sevSnp', 'mitigations'], '1'.repeat(17)],
    [['tdx', 'mrtd'], [B32]],
    [['tdx', 'mrSeam'], [B32]],
    [['tdx', 'mrConfigId'], B32],
    [['tdx', 'mrOwner'], B32],
    [['tdx', 'mrOwnerConfig'], B32],
    ...['0', '1', '2', '3'].map((index): [string[], unknown] => [['tdx', 'rtmr', index], [B32]]),
    [['tdx', 'rtmr', '4'], [B48]],
    [['tpm', 'pcrs'], { sha256: { '11': ['ab'.repeat(20)] } }],
    [['tpm', 'selection'], 'sha1:0'],
    [['tpm', 'selection'], 'sha256:'],
    [['tpm', 'selection'], 'sha256:0,'],
    [['tpm', 'selection'], 'sha256:100'],
    [['tpm', 'firmwareVersions'], ['']],
    [['tpm', 'firmwareVersions'], ['x'.repeat(201)]],
    [['nvidia', 'gpus'], 0],
  ];
  for (const [path, value] of wrong) {
    const text = policyWith(path, value);
    assert.throws(() => readEvidencePolicy(text), FormatError, text);
  }
});

test('what is not strict JSON, or no object, is no policy', () => {
  for (const text of ['', '{', '[]', 'null', '{"tdx": {}, "tdx": {}}', '{} {}']) {
    assert.throws(() => readEvidencePolicy(text), FormatError, text);
  }
});
