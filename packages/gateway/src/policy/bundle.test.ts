import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { bundleHash, canonicalSorted, digest } from '@cmcp/evidence';
import fc from 'fast-check';
import {
  COMPAT_MANIFEST,
  catalogOf,
  folderOf,
  NATIVE_MANIFEST,
  temporaryFolder,
  toolRecord,
} from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { loadBundle } from './bundle.ts';
import { nativeSchema } from './schema.ts';

const PERMIT = 'permit (principal, action, resource);\n';
const COMPAT = {
  'manifest.json': JSON.stringify(COMPAT_MANIFEST),
  'schema.cedarschema': '// not parsed {',
  'allow.cedar': PERMIT,
};
const NATIVE = {
  'manifest.json': JSON.stringify(NATIVE_MANIFEST),
  'schema.cedarschema': nativeSchema(catalogOf(toolRecord('read_file', {}, { path: { type: 'string' } }))),
};

/** Asserts that the bundle of these files is refused, and that the message says all of `words`. */
async function refused(t: TestContext, files: Record<string, string | Uint8Array>, ...words: string[]): Promise<void> {
  await assert.rejects(loadBundle(await folderOf(t, files)), (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, 'POLICY_INVALID');
    for (const word of words) assert.ok(error.detail.includes(word), `"${error.detail}" does not say "${word}"`);
    return true;
  });
}

test('the hash is over the pre-image that the reference hashes', () => {
  // Wire-formats section 23: the minimal bundle's pre-image and hash.
  const preimage =
    '{"manifest":{"author_identity":"developer@example.com","authored_at":"2026-06-04T00:00:00Z",' +
    '"commit_sha":"local-dev","version":"0.1.0"},' +
    '"policy_files":{"allow-all.cedar":"ca6942322f65163a33a50bef02373c04363c9b23600ef2a16dc0f26dbad05537"},' +
    '"schema_hash":"7b5db343c03fd6c91f5548b55096a58bbc165e08650eadbab173a955aa03c67b"}';
  assert.equal(digest(preimage), 'sha256:0f30eae7f46868c8250b1b78be3bfd0cd25b247c0c110271ebd599e7aa5a0e74');
  const manifest = { version: '1', signature: 'left out', commit_sha: 'é' };
  const expected = canonicalSorted({
    manifest: { version: '1', commit_sha: 'é' },
    policy_files: {
      // SHA-256 of the texts "a" and "b", as in FIPS 180 test collections.
      'x/a.cedar': 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
      'b.cedar': '3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d',
    },
    schema_hash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  });
  const files = [
    { path: 'b.cedar', text: 'b' },
    { path: 'x/a.cedar', text: 'a' },
  ];
  assert.equal(bundleHash(manifest, files, ''), digest(expected));
});

test('line ends do not change the hash, and every file, the schema and the manifest do', async (t) => {
  const hashOf = async (files: Record<string, string>) => (await loadBundle(await folderOf(t, files))).hash;
  const hash = await hashOf(COMPAT);
  assert.equal(await hashOf({ ...COMPAT, 'allow.cedar': PERMIT.replaceAll('\n', '\r\n') }), hash);
  assert.equal(await hashOf({ ...COMPAT, 'allow.cedar': PERMIT.replaceAll('\n', '\r') }), hash);
  const signed = JSON.stringify({ ...COMPAT_MANIFEST, signature: 'abc' });
  assert.equal(await hashOf({ ...COMPAT, 'manifest.json': signed }), hash);
  const others = [
    { ...COMPAT, 'allow.cedar': `${PERMIT}\n` },
    { ...COMPAT, 'schema.cedarschema': '' },
    { ...COMPAT, 'manifest.json': JSON.stringify({ ...COMPAT_MANIFEST, note: 'x' }) },
    { ...COMPAT, 'more/empty.cedar': '' },
  ];
  for (const files of others) assert.notEqual(await hashOf(files), hash);
});

test('policies are numbered over all files in code point order of path, beyond ten too', async (t) => {
  const numbered = (from: number) =>
    Array.from({ length: 12 }, (_, index) => `@n("${from + index}") permit (principal, action, resource);`).join('\n');
  const bundle = await loadBundle(
    await folderOf(t, {
      'manifest.json': COMPAT['manifest.json'],
      'schema.cedarschema': '',
      'b.cedar': numbered(24),
      'a/z.cedar': numbered(12),
      'a-b.cedar': numbered(0),
    }),
  );
  assert.deepEqual(
    bundle.policies.map(({ id, annotations }) => [id, annotations.n]),
    Array.from({ length: 36 }, (_, index) => [`policy${index}`, String(index)]),
  );
});

test('a syntax error is refused with file and line, in compat bundles too [W-21]', async (t) => {
  await refused(t, { ...COMPAT, 'bad.cedar': '// é\n\npermit (principal, action, resource)\nforbid' }, 'bad.cedar:4');
  await refused(t, { ...COMPAT, 'open.cedar': 'permit (principal, action,' }, 'open.cedar');
  await refused(
    t,
    { ...COMPAT, 't.cedar': 'permit (principal == ?principal, action, resource);' },
    't.cedar',
    'template',
  );
});

test('a native bundle is validated against its own schema, with file and line [W-21] [D-13]', async (t) => {
  const policy = (condition: string) =>
    `\npermit (principal, action in Action::"call_tool", resource)\nwhen { ${condition} };`;
  const cases: [string, string, string][] = [
    ['context.arguments.paht == "x"', 'p.cedar:3', 'paht'],
    ['context.arguments.path == "x"', 'p.cedar:3', 'optional'],
    ['context.session.class_rank > "1"', 'p.cedar:3', 'Long'],
    ['context.response.size > 1', 'p.cedar:3', 'response'],
    ['principal.name == "x"', 'p.cedar:3', 'name'],
  ];
  for (const [condition, where, what] of cases)
    await refused(t, { ...NATIVE, 'p.cedar': policy(condition) }, where, what);
  await refused(
    t,
    { ...NATIVE, 'p.cedar': 'permit (principal, action == Action::"red_file", resource);' },
    'p.cedar:1',
  );
  await refused(
    t,
    { ...NATIVE, 'schema.cedarschema': 'entity Agent;\nacton "x";', 'p.cedar': PERMIT },
    'schema.cedarschema:2',
  );
  const good = 'context.arguments has path && context.arguments.path like "/srv/*" && context.session.class_rank == 0';
  assert.equal((await loadBundle(await folderOf(t, { ...NATIVE, 'p.cedar': policy(good) }))).request, 'native');
});

test('an action compared with the group of all tools is refused, wherever it stands [C-21] [W-24]', async (t) => {
  const group = 'Action::"call_tool"';
  const bad = [
    `forbid (principal, action == ${group}, resource);`,
    `forbid (principal, action, resource) when { action == ${group} };`,
    `forbid (principal, action, resource) unless { context.platform == "x" || ${group} == action };`,
    `forbid (principal, action, resource) when { if action != ${group} then true else false };`,
    `forbid (principal, action == Action::"call\\u{5f}tool", resource);`,
    `forbid (principal, action, resource) when { [Action::"read_file", ${group}].contains(action) };`,
    `forbid (principal, action, resource) when { [${group}].containsAny([Action::"read_file", action]) };`,
    `forbid (principal, action, resource) unless { [${group}].containsAll([action]) };`,
    `forbid (principal, action, resource) unless { [action] == [${group}] };`,
  ];
  for (const policy of bad) {
    await refused(t, { ...NATIVE, 'p.cedar': `${PERMIT}\n// why\n${policy}` }, 'p.cedar:4', `action in ${group}`);
  }
  const good = [
    `forbid (principal, action in ${group}, resource) when { action in ${group} };`,
    `forbid (principal, action in [${group}, Action::"read_resource"], resource);`,
    `forbid (principal, action, resource) when { action in [Action::"sample", ${group}] };`,
    `forbid (principal, action, resource) when { [Action::"read_file"].contains(action) };`,
    `forbid (principal, action == Action::"read_resource", resource) when { action == Action::"read_resource" };`,
  ];
  for (const policy of good) await loadBundle(await folderOf(t, { ...NATIVE, 'p.cedar': policy }));
});

test('what can never match is a warning with file and line', async (t) => {
  const policy = '\n\nforbid (principal == Agent::"a", action, resource) when { false };';
  const { warnings } = await loadBundle(await folderOf(t, { ...NATIVE, 'p.cedar': policy }));
  assert.match(warnings.join('\n'), /^p\.cedar:3: .*impossible/m);
});

test('the manifest needs its members, typed and once each, and a misspelt cmcp_request is refused', async (t) => {
  const cases: [string, string][] = [
    [JSON.stringify({ ...COMPAT_MANIFEST, version: undefined }), '"version" is missing'],
    [JSON.stringify({ ...COMPAT_MANIFEST, version: 1 }), '"version" must be'],
    [JSON.stringify({ ...COMPAT_MANIFEST, version: '1.0é' }), 'ASCII'],
    [JSON.stringify({ ...COMPAT_MANIFEST, approval_chain: {} }), 'approval_chain'],
    [JSON.stringify({ ...COMPAT_MANIFEST, cmcp_request: 2 }), 'must be 1'],
    [JSON.stringify({ ...COMPAT_MANIFEST, cmcp_reqest: 1 }), 'did you mean "cmcp_request"'],
    [JSON.stringify({ ...NATIVE_MANIFEST, note: 1 }), '"note"'],
    ['{"version":"1","version":"2"}', 'manifest.json:1'],
    ['{\n\n  "version": }', 'manifest.json:3'],
    [`{"x":1e999,${JSON.stringify(COMPAT_MANIFEST).slice(1)}`, 'manifest.json'],
    ['[]', 'object'],
    ['\ufeff{}', 'manifest.json'],
  ];
  for (const [text, says] of cases) await refused(t, { ...COMPAT, 'manifest.json': text }, says);
});

test('a bundle without manifest, schema or policies is refused', async (t) => {
  const { 'manifest.json': manifest, 'schema.cedarschema': schema, 'allow.cedar': policy } = COMPAT;
  await refused(t, { 'schema.cedarschema': schema, 'a.cedar': policy }, 'manifest.json', 'does not exist');
  await refused(t, { 'manifest.json': manifest, 'a.cedar': policy }, 'schema.cedarschema', 'does not exist');
  await refused(t, { 'manifest.json': manifest, 'schema.cedarschema': schema }, 'no .cedar file');
  await refused(t, { ...COMPAT, 'b.cedar': new Uint8Array([0xff]) }, 'b.cedar', 'UTF-8');
  await assert.rejects(loadBundle(join(await temporaryFolder(t), 'none')), { code: 'POLICY_INVALID' });
});

test('nothing outside the folder gets into a bundle: links and odd names are refused [ATK-22] [ATK-23]', async (t) => {
  const outside = await folderOf(t, { 'x.cedar': PERMIT });
  const attempts: ((folder: string) => Promise<void>)[] = [
    (folder) => symlink(join(outside, 'x.cedar'), join(folder, 'x.cedar')),
    (folder) => symlink(outside, join(folder, 'deep')),
    (folder) => symlink('../../etc', join(folder, 'etc')),
    (folder) => writeFile(join(folder, 'a\\b.cedar'), PERMIT),
    (folder) => writeFile(join(folder, 'a\nb.cedar'), PERMIT),
    async (folder) => void (await mkdir(join(folder, 'folder.cedar/x.cedar'), { recursive: true })),
  ];
  for (const [index, attempt] of attempts.entries()) {
    const folder = await folderOf(t, COMPAT);
    await attempt(folder);
    if (index === attempts.length - 1) assert.equal((await loadBundle(folder)).policies.length, 1);
    else await assert.rejects(loadBundle(folder), { code: 'POLICY_INVALID' });
  }
  const folder = await folderOf(t, COMPAT);
  await symlink(folder, join(outside, 'link'));
  await assert.rejects(loadBundle(join(outside, 'link')), /symbolic link/);
});

test('the number, depth and size of the files are bounded [G5]', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`${index}.cedar`, '']));
  await refused(t, { ...COMPAT, ...many }, 'more than 1000');
  await refused(t, { ...COMPAT, [`${'d/'.repeat(18)}x.cedar`]: '' }, 'deeper than');
  await refused(t, { ...COMPAT, 'x.cedar': ' '.repeat(1024 * 1024 + 1) }, 'x.cedar', 'larger than');
  const large = Object.fromEntries(
    Array.from({ length: 9 }, (_, index) => [`${index}.cedar`, ' '.repeat(1024 * 1024)]),
  );
  await refused(t, { ...COMPAT, ...large }, 'larger than');
});

test('whatever the texts, a bundle loads or is refused with POLICY_INVALID', async (t) => {
  const folder = await folderOf(t, { ...NATIVE, 'p.cedar': PERMIT });
  const base = `${PERMIT}@id("x") forbid (principal, action in Action::"call_tool", resource) when { context.platform == "y" };`;
  const text = fc
    .tuple(
      fc.nat(base.length),
      fc.nat(9),
      fc.string({ unit: fc.constantFrom(...'"(){};:,@?=\\ é\n', '::', '//', 'permit') }),
    )
    .map(([at, cut, added]) => base.slice(0, at) + added + base.slice(at + cut));
  const file = fc.constantFrom('p.cedar', 'schema.cedarschema', 'manifest.json');
  await fc.assert(
    fc.asyncProperty(file, fc.oneof(text, fc.json(), fc.string()), async (name, content) => {
      for (const [path, original] of Object.entries({ ...NATIVE, 'p.cedar': PERMIT })) {
        await writeFile(join(folder, path), path === name ? content : original);
      }
      await loadBundle(folder).catch((error: unknown) => {
        assert.ok(error instanceof GatewayError && error.code === 'POLICY_INVALID', String(error));
      });
    }),
    { numRuns: 100 },
  );
});

test('a policy is known by the line that it begins on, also where a comment looks like one', async (t) => {
  const text = `// ${PERMIT}\n${PERMIT}${PERMIT.trim()} @id("b")\nforbid (principal,\n  action, resource);\n  ${PERMIT}`;
  const { policies } = await loadBundle(await folderOf(t, { ...NATIVE, 'a.cedar': PERMIT, 'b.cedar': text }));
  assert.deepEqual(
    policies.map(({ path, line }) => `${path}:${line}`),
    ['a.cedar:1', 'b.cedar:3', 'b.cedar:4', 'b.cedar:4', 'b.cedar:7'],
  );
});

test('brackets that nest too deep for Cedar are refused before it reads them, and the engine goes on [LIFE-03]', async (t) => {
  const deep = (levels: number) =>
    `permit (principal, action, resource)\nwhen { ${'('.repeat(levels)}true${')'.repeat(levels)} };\n// ${'('.repeat(500)}`;
  await assert.rejects(
    folderOf(t, { ...NATIVE, 'a.cedar': deep(300) }).then((folder) => loadBundle(folder)),
    /a\.cedar:2: brackets nest deeper than 100 levels/,
  );
  assert.equal((await loadBundle(await folderOf(t, { ...NATIVE, 'a.cedar': deep(90) }))).policies.length, 1);
});
