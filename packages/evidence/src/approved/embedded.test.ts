import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Expectations, Report } from '../index.ts';
import { stringifyJson, verify } from '../index.ts';
import { CATALOG_HASH, makeSession, newKey, POLICY_HASH, seal } from '../testing/session.ts';

const key = await newKey();
const SOFTWARE: Expectations = { keys: [{ x: key.x, source: 'given' }], acceptSoftware: true };

const hex = (text: string): string => createHash('sha256').update(text).digest('hex');

const MANIFEST = '{"author_identity":"a","authored_at":"2026-01-01T00:00:00Z","commit_sha":"b","version":"1.0.0"}';
/** The policy that says nothing: it permits every call. */
const PERMISSIVE = 'permit(principal, action, resource);\n';
const SCHEMA = 'entity Agent;\nentity Resource;\n';
const BUNDLE = { 'manifest.json': MANIFEST, 'schema.cedarschema': SCHEMA, 'rules/a.cedar': PERMISSIVE };
/** Written out from wire-formats section 4: canonical JSON of manifest, hashes of the policies, hash of the schema. */
const BUNDLE_HASH = `sha256:${hex(
  `{"manifest":${MANIFEST},"policy_files":{"rules/a.cedar":"${hex(PERMISSIVE)}"},"schema_hash":"${hex(SCHEMA)}"}`,
)}`;

const SERVERS = ['{"id":"a"}', '{"id":"b"}'];
const TOOLS = ['{"name":"one","server":"b"}', '{"name":"two","server":"a"}'];
const ours = (servers: string[], tools: string[]): string =>
  `{"catalog":1,"servers":[${servers.join(',')}],"tools":[${tools.join(',')}]}`;
const CATALOG = ours(SERVERS, TOOLS);
const LISTED = ['{"tool_name":"\uff5e"}', '{"tool_name":"\u{1f600}"}', '{"tool_name":"a","v":1}'];
/** As deep as JSON may nest here. */
const nested = (open: string, inside: string, close: string): string => open.repeat(128) + inside + close.repeat(128);
const escaped = (text: string): string =>
  text.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`);

interface Embedded {
  policy?: string | null;
  catalog?: string | null;
}

/** The report on a session that was opened with these hashes, and whose file brings these texts. */
async function report(
  embedded: Embedded,
  hashes: { policy?: string; catalog?: string } = {},
  expectations: Expectations = { unpinnedPolicy: true, unpinnedCatalog: true },
): Promise<Report> {
  const { policy = POLICY_HASH, catalog = CATALOG_HASH } = hashes;
  const file = await makeSession(key);
  const detail = file.bundle.entries[0]?.detail ?? {};
  Object.assign(detail, { bundle_hash: policy, catalog_hash: catalog });
  file.claim.trace.policy.bundle_hash = policy;
  file.claim.gateway.catalog.hash = catalog;
  await seal(file, key);
  return verify(stringifyJson({ ...file, ...embedded }), { ...SOFTWARE, ...expectations });
}

const found = ({ checks }: Report, id: string) => checks.find((each) => each.id === id);
const withPolicy = (files: unknown): Promise<Report> =>
  report({ policy: typeof files === 'string' ? files : JSON.stringify(files) }, { policy: BUNDLE_HASH });
const withCatalog = (catalog: string, hashed = CATALOG): Promise<Report> =>
  report({ catalog }, { catalog: `sha256:${hex(hashed)}` });

test('an embedded bundle that hashes to what the session was opened with is shown to be that, and nothing more', async () => {
  const right = await withPolicy(BUNDLE);
  assert.equal(found(right, 'file.policy')?.outcome, 'proven');
  assert.equal(found(right, 'file.policy')?.against, BUNDLE_HASH);
  assert.equal(found(right, 'file.catalog'), undefined);
  assert.equal(right.verdict, 'verified');
  assert.equal(found(await report({ policy: null }), 'file.policy'), undefined);
});

test('a permissive policy that agrees with itself everywhere is asserted, and refused where another one was approved', async () => {
  const asked = (more: Expectations) =>
    report({ policy: JSON.stringify(BUNDLE) }, { policy: BUNDLE_HASH }, { catalogHash: CATALOG_HASH, ...more });
  const unpinned = await asked({});
  assert.equal(unpinned.verdict, 'unverified');
  assert.equal(found(unpinned, 'file.policy')?.outcome, 'proven');
  assert.equal(found(unpinned, 'policy.hash')?.outcome, 'asserted');
  assert.deepEqual(unpinned.lacking, ['--policy-hash sha256:…']);
  const other = await asked({ policyHash: POLICY_HASH });
  assert.equal(other.verdict, 'refused');
  assert.equal(found(other, 'policy.hash')?.outcome, 'failed');
  assert.equal(found(other, 'file.policy')?.outcome, 'proven');
  assert.equal((await asked({ policyHash: BUNDLE_HASH })).verdict, 'verified');
});

test('an embedded bundle in which anything that is hashed differs is refused', async () => {
  const { 'rules/a.cedar': rules, ...unruled } = BUNDLE;
  const altered: [string, object][] = [
    ['another rule', { ...BUNDLE, 'rules/a.cedar': 'forbid(principal, action, resource);\n' }],
    ['another schema', { ...BUNDLE, 'schema.cedarschema': '' }],
    ['another manifest', { ...BUNDLE, 'manifest.json': MANIFEST.replace('1.0.0', '1.0.1') }],
    ['one rule more', { ...BUNDLE, 'b.cedar': PERMISSIVE }],
    ['no rule', unruled],
    ['another path', { ...unruled, 'rules/b.cedar': rules }],
  ];
  for (const [what, files] of altered) {
    const said = await withPolicy(files);
    assert.equal(said.verdict, 'refused', what);
    assert.match(found(said, 'file.policy')?.detail ?? '', /it hashes to sha256:/, what);
  }
});

test('texts of a bundle are hashed with the newlines of the reference, whichever form they are embedded in', async () => {
  for (const newline of ['\r\n', '\r']) {
    const files = Object.entries(BUNDLE).map(([path, content]) => [path, content.replaceAll('\n', newline)]);
    assert.equal(found(await withPolicy(Object.fromEntries(files)), 'file.policy')?.outcome, 'proven');
  }
});

test('the signature of a manifest signs the hash, and is not in it', async () => {
  const signed = { ...BUNDLE, 'manifest.json': MANIFEST.replace('}', ',"signature":"AA"}') };
  assert.equal(found(await withPolicy(signed), 'file.policy')?.outcome, 'proven');
});

test('an embedded bundle that has not its form is refused, and the report says what is wrong', async () => {
  const { 'manifest.json': manifest, ...unnamed } = BUNDLE;
  const { 'schema.cedarschema': _, ...unshaped } = BUNDLE;
  const wrong: [unknown, RegExp][] = [
    ['{', /the embedded policy is not strict JSON/],
    ['{"manifest.json": "{}", "manifest.json": "{}"}', /the embedded policy is not strict JSON/],
    ['[]', /the embedded policy is not a JSON object/],
    [{ ...BUNDLE, 'a.cedar': 1 }, /policy\.a\.cedar is not a string/],
    [unnamed, /lacks manifest\.json or schema\.cedarschema/],
    [{ ...BUNDLE, 'manifest.json': `[${manifest}]` }, /manifest\.json of the embedded policy is not a JSON object/],
    [{ ...BUNDLE, 'manifest.json': '' }, /manifest\.json of the embedded policy is not strict JSON/],
    [unshaped, /lacks manifest\.json or schema\.cedarschema/],
    [{ ...BUNDLE, 'readme.md': 'hello' }, /holds a file that is not of a bundle/],
    [{ ...BUNDLE, 'manifest.json': '{"a":1e999}' }, /manifest\.json of the embedded policy is not strict JSON/],
    [{ ...BUNDLE, 'manifest.json': nested('{"a":', '0', '}') }, /it hashes to sha256:/],
  ];
  for (const [files, said] of wrong) {
    const refused = await withPolicy(files);
    assert.equal(refused.verdict, 'refused', JSON.stringify(files));
    assert.equal(found(refused, 'file.policy')?.outcome, 'failed');
    assert.match(found(refused, 'file.policy')?.detail ?? '', said);
  }
});

test('an embedded catalog is hashed in the order of its names, in the form of the gateway and in that of the reference', async () => {
  for (const catalog of [CATALOG, ours(SERVERS.toReversed(), TOOLS.toReversed()), CATALOG.replaceAll(',', ' ,\n')]) {
    const said = await withCatalog(catalog);
    assert.equal(found(said, 'file.catalog')?.outcome, 'proven');
    assert.equal(found(said, 'file.policy'), undefined);
    assert.equal(said.verdict, 'verified');
  }
  const more = (resources: string[], prompts: string[]): string =>
    CATALOG.replace(/}$/, `,"resources":[${resources.join(',')}],"prompts":[${prompts.join(',')}]}`);
  const items = ['{"name":"a","uri":"x:z"}', '{"name":"b","uri":"x:y"}'];
  const sorted = `{"catalog":1,"prompts":[${items.join(',')}],"resources":[${items.join(',')}],${CATALOG.slice('{"catalog":1,'.length)}`;
  for (const list of [items, items.toReversed()]) {
    assert.equal(found(await withCatalog(more(list, list.toReversed()), sorted), 'file.catalog')?.outcome, 'proven');
  }
  // Code points: U+FF5E comes before U+1F600, whose UTF-16 units begin lower.
  const listed = escaped(`[${[LISTED[2], LISTED[0], LISTED[1]].join(',')}]`);
  assert.equal(found(await withCatalog(`[${LISTED.join(',')}]`, listed), 'file.catalog')?.outcome, 'proven');
});

test('entries of one name keep their order, as the sort of the reference does', async () => {
  const catalog = '[{"tool_name":"a","v":1},{"tool_name":"a","v":2}]';
  assert.equal(found(await withCatalog(catalog, catalog), 'file.catalog')?.outcome, 'proven');
});

test('an embedded catalog that differs or has not its form is refused, and the report says what is wrong', async () => {
  const wrong: [string, RegExp][] = [
    [ours(SERVERS, TOOLS.slice(1)), /it hashes to sha256:/],
    [CATALOG.replace('"b"', '"c"'), /it hashes to sha256:/],
    [CATALOG.replace('"catalog":1', '"catalog":1,"more":1'), /it hashes to sha256:/],
    ['{', /the embedded catalog is not strict JSON/],
    ['"catalog"', /neither list nor object/],
    ['{"servers":[],"tools":[]}', /has no version 1/],
    ['{"catalog":2,"servers":[],"tools":[]}', /has no version 1/],
    ['[1e999]', /the embedded catalog is not strict JSON/],
    [nested('[', '', ']'), /it hashes to sha256:/],
  ];
  for (const [catalog, said] of wrong) {
    const refused = await withCatalog(catalog);
    assert.equal(refused.verdict, 'refused', catalog);
    assert.match(found(refused, 'file.catalog')?.detail ?? '', said);
  }
});

test('policy and catalog in a file are each held against their own hash', async () => {
  const hashes = { policy: `sha256:${hex(CATALOG)}`, catalog: BUNDLE_HASH };
  const crossed = await report({ policy: JSON.stringify(BUNDLE), catalog: CATALOG }, hashes);
  assert.equal(found(crossed, 'file.policy')?.outcome, 'failed');
  assert.equal(found(crossed, 'file.catalog')?.outcome, 'failed');
});
