import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalSorted, gatewayDigest, sha256Hex } from '@cmcp/evidence';
import { folderOf } from '../../../../../tests/support/policy.ts';
import type { CodeMeasurement } from './code.ts';
import { type GatewayMeasurement, type GatewaySource, measureGateway } from './gateway-measurement.ts';

const hash = (letter: string): string => `sha256:${letter.repeat(64)}`;
const CODE: CodeMeasurement = {
  digest: hash('1'),
  parts: { node: hash('2'), packages: hash('3'), lockfile: null, launch: hash('4') },
  tree: 'installed',
  packages: ['@cmcp/cli@1.0.0'],
  files: 7,
  addedTrust: {},
};
const APPROVED = { bundleHash: hash('a'), catalogHash: hash('b'), rulesHash: null };
const BUNDLE = { 'manifest.json': '{}', 'more/allow.cedar': 'permit(principal, action, resource);\n', 'notes.md': 'x' };

test('the measurement is the digest of three components that the NV envelope can carry', async (t) => {
  const path = await folderOf(t, BUNDLE);
  const measured = measure(path);
  assert.equal(measured.digest, `sha256:${gatewayDigest(measured.components)}`);
  assert.equal(measured.components.code, '1'.repeat(64));
  assert.equal(measured.components.config, 'c'.repeat(64));
  const { bundle, bundleFiles, catalog } = measured.parts;
  assert.equal(measured.components.policy, sha256Hex(canonicalSorted({ bundle, bundleFiles, catalog })));
  assert.deepEqual(Object.keys(measured.components).sort(), ['code', 'config', 'policy']);
});

test('code, settings, bundle, catalog, inspection rules and every byte in the folder of the bundle change it; the place does not', async (t) => {
  const path = await folderOf(t, BUNDLE);
  const before = measure(path);
  assert.deepEqual(measure(await folderOf(t, BUNDLE)), before);
  const others = [
    measure(path, { code: { ...CODE, digest: hash('5') } }),
    measure(path, { config: { policy: { path, pin: null, key: null, approval: null }, portableHash: hash('6') } }),
    measure(path, { approved: { ...APPROVED, bundleHash: hash('7') } }),
    measure(path, { approved: { ...APPROVED, catalogHash: hash('8') } }),
    measure(path, { approved: { ...APPROVED, rulesHash: hash('9') } }),
  ];
  // The bundle hash knows no byte order mark, no line ending and no file that is no policy.
  await writeFile(join(path, 'more/allow.cedar'), 'permit(principal, action, resource);\r\n');
  others.push(measure(path));
  await writeFile(join(path, 'another.md'), '');
  others.push(measure(path));
  assert.equal(new Set([before, ...others].map(({ digest }) => digest)).size, others.length + 1);
});

function measure(path: string, changes: Partial<GatewaySource> = {}): GatewayMeasurement {
  return measureGateway({
    code: CODE,
    config: { policy: { path, pin: null, key: null, approval: null }, portableHash: hash('c') },
    approved: APPROVED,
    ...changes,
  });
}
