import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { sharedPath } from '../../../tests/shared.ts';
import { cmcpInProcess } from '../../../tests/support/cli-in-process.ts';
import { type MadeSnp, makeSnp } from '../../evidence/src/testing/snp.ts';
import { makeTpm } from '../../evidence/src/testing/tpm.ts';

const AT = '2026-09-21T14:13:20Z';
const USER_DATA = 'ab'.repeat(64);

let folder = '';
let snp: MadeSnp;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-evidence-'));
  snp = await makeSnp({ reportData: new Uint8Array(64).fill(0xab), measurement: new Uint8Array(48).fill(0x11) });
  for (const [role, bytes] of Object.entries(snp.files)) await writeFile(join(folder, role), bytes);
  await writeFile(join(folder, 'root'), snp.root.certificate ?? '');
});
after(() => rm(folder, { recursive: true, force: true }));

const cmcp = (...args: string[]) => cmcpInProcess(args, folder);
const path = (name: string): string => join(folder, name);
const FILES = (): string[] => ['report', 'vcek', 'chain'].flatMap((role) => ['--file', `${role}=${path(role)}`]);
const verifySnp = (...more: string[]) =>
  cmcp('evidence', 'verify', '--kind', 'sev-snp', ...FILES(), '--at', AT, ...more);

test('evidence that is authentic and acceptable ends with 0, and says on whose word', async () => {
  const full = ['--user-data', USER_DATA, '--measurement', '11'.repeat(48), '--root', path('root')];
  const { code, stdout } = await verifySnp(...full);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^sev-snp evidence: AUTHENTIC AND ACCEPTABLE/);
  assert.match(stdout, /a root that you named/);
  assert.match(stdout, /IS IT AUTHENTIC\?[\s\S]*IS IT ACCEPTABLE\?[\s\S]*WHAT THE EVIDENCE SAYS/);
});

test('the wrong root, user data, measurement, policy or time each end with 1 and say which answer is no', async () => {
  const root = ['--root', path('root')];
  await writeFile(path('policy.json'), '{"sevSnp": {"minTcb": {"snp": 255}}}');
  const refused: [string[], RegExp][] = [
    [[], /NOT AUTHENTIC/],
    [[...root, '--user-data', 'cd'.repeat(64)], /AUTHENTIC, NOT ACCEPTABLE/],
    [[...root, '--measurement', '22'.repeat(48)], /AUTHENTIC, NOT ACCEPTABLE/],
    [[...root, '--policy', path('policy.json')], /AUTHENTIC, NOT ACCEPTABLE/],
    [[...root, '--at', '2040-01-01T00:00:00Z'], /NOT AUTHENTIC/],
  ];
  for (const [more, expected] of refused) {
    const { code, stdout } = await verifySnp(...more);
    assert.equal(code, 1, stdout);
    assert.match(stdout, expected);
  }
});

test('a test root is named with its role and shown as one', async () => {
  const { code, stdout } = await verifySnp('--file', `test_root=${path('root')}`);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /a TEST root: this evidence proves nothing about hardware/);
});

test('JSON of a verdict keeps its published schema', async () => {
  const schema = JSON.parse(
    await readFile(new URL('../../../docs/schemas/evidence-verdict.schema.json', import.meta.url), 'utf8'),
  );
  const validate = new Ajv2020().compile(schema);
  for (const more of [[], ['--root', path('root')], ['--file', `test_root=${path('root')}`]]) {
    const { stdout } = await verifySnp('--json', ...more);
    assert.ok(validate(JSON.parse(stdout)), JSON.stringify(validate.errors));
  }
});

test('a wrong command line says what is wrong with it', async () => {
  const wrong: [string[], RegExp][] = [
    [['evidence'], /unknown action ""/],
    [['evidence', 'verfy'], /did you mean verify/],
    [['evidence', 'verify'], /--kind takes one of sev-snp, tdx, tpm, azure-cvm, nvidia/],
    [['evidence', 'verify', '--kind', 'sgx'], /--kind takes one of/],
    [['evidence', 'verify', '--kind', 'tdx', 'quote.bin'], /name the role of "quote\.bin"/],
    [['evidence', 'verify', '--kind', 'tdx', '--file', 'quote'], /--file takes ROLE=PATH/],
    [
      ['evidence', 'verify', '--kind', 'tdx', '--file', `a=${path('root')}`, '--file', `a=${path('root')}`],
      /role a twice/,
    ],
    [['evidence', 'verify', '--kind', 'tdx', '--nonce', 'xyz'], /--nonce takes bytes as hexadecimal/],
    [['evidence', 'verify', '--kind', 'tdx', '--at', 'noon'], /--at takes an RFC 3339 time/],
    [['evidence', 'show'], /name at least one file/],
  ];
  for (const [args, expected] of wrong) {
    const { code, stderr } = await cmcp(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, expected);
  }
});

test('a policy that is misspelt, a root that is none and a file that is absent are refused by name', async () => {
  await writeFile(path('misspelt.json'), '{"sevSnp": {"minTcbs": {}}}');
  const refused: [string[], RegExp][] = [
    [['--policy', path('misspelt.json')], /misspelt\.json: policy\.sevSnp has a member that is not allowed: "minTcbs"/],
    [['--root', path('misspelt.json')], /misspelt\.json holds no certificate/],
    [['--file', `crl=${path('absent')}`], /absent does not exist/],
  ];
  for (const [more, expected] of refused) {
    const { code, stderr } = await verifySnp(...more);
    assert.equal(code, 1);
    assert.match(stderr, expected);
  }
});

interface ManifestCase {
  id: string;
  kind: string;
  files: Record<string, string>;
  at: string;
  expect: { authentic: boolean | null; acceptable: boolean | null };
  params?: Record<string, unknown>;
}

const CASE: ManifestCase = {
  id: 'made',
  kind: 'sev-snp',
  files: { report: 'report', vcek: 'vcek', chain: 'chain' },
  at: AT,
  expect: { authentic: true, acceptable: true },
  params: { trust: 'vendor', root: 'root' },
};

async function runManifest(cases: unknown, ...more: string[]) {
  await writeFile(path('manifest.json'), JSON.stringify(cases));
  return cmcp('evidence', 'verify', '--manifest', path('manifest.json'), ...more);
}

test('a manifest of cases is run as a table, and ends with 1 when a verdict differs from the expected one', async () => {
  const no = { authentic: false, acceptable: false };
  const cases = [
    CASE,
    { ...CASE, id: 'no root that fits', params: { trust: 'vendor' }, expect: no },
    { ...CASE, id: 'test root', files: { ...CASE.files, test_root: 'root' }, params: { trust: 'test-root' } },
    { ...CASE, id: 'not compared', expect: { authentic: true, acceptable: null } },
  ];
  const agreeing = await runManifest(cases);
  assert.equal(agreeing.code, 0, agreeing.stdout);
  assert.match(agreeing.stdout, /4 of 4 cases as expected/);
  const differing = await runManifest([...cases, { ...CASE, id: 'wrong', expect: no }]);
  assert.equal(differing.code, 1);
  assert.match(differing.stdout, /wrong +sev-snp +yes \(expected no\) +yes \(expected no\) +DIFFERS/);
  assert.match(differing.stdout, /4 of 5 cases as expected/);
  for (const expect of [
    { authentic: false, acceptable: true },
    { authentic: true, acceptable: false },
  ]) {
    assert.equal((await runManifest([{ ...CASE, expect }])).code, 1, 'each answer is compared');
  }
  const undecided = await runManifest(
    [{ ...CASE, kind: 'tdx', expect: { authentic: null, acceptable: true } }],
    '--json',
  );
  assert.equal(undecided.code, 1);
  assert.equal(JSON.parse(undecided.stdout).cases[0].agrees, false);
});

test('a folder of roots trusts what names itself as issuer, and nothing that others issued', async () => {
  const intermediate = (await readFile(path('chain'), 'utf8')).split('-----END CERTIFICATE-----')[0];
  await writeFile(path('only-ask.pem'), `${intermediate}-----END CERTIFICATE-----\n`);
  const { code, stdout } = await runManifest([
    { ...CASE, params: { trust: 'vendor', root: '.' }, expect: { authentic: false, acceptable: false } },
  ]);
  assert.equal(code, 0, stdout);
});

test('a manifest that is none is refused by the case and the member', async () => {
  const wrong: [unknown, RegExp][] = [
    [{}, /is not a list of cases/],
    [[], /is not a list of cases/],
    ['manifest', /is not a list of cases/],
    [['made'], /case 0 is not an object/],
    [[{ ...CASE, files: [] }], /\(made\): files is not an object/],
    [[{ ...CASE, params: 'vendor' }], /\(made\): params is not an object/],
    [[{ ...CASE, id: undefined }], /case 0: id is missing/],
    [[{ ...CASE, kind: 'sgx' }], /case 0 \(made\): kind is not one of/],
    [[{ ...CASE, at: 'noon' }], /\(made\): at is not an RFC 3339 time/],
    [[{ ...CASE, files: { report: 1 } }], /files\.report is not a path/],
    [[{ ...CASE, expect: { authentic: 'yes' } }], /expect\.authentic is not true, false or null/],
    [[{ ...CASE, expect: undefined }], /\(made\): expect is missing/],
    [[{ ...CASE, params: { root: 5 } }], /params\.root is not a path/],
    [
      [{ ...CASE, params: { trust: 'everything' } }],
      /params\.trust is not one of vendor, test-root, ak-public, no-key/,
    ],
  ];
  for (const [cases, expected] of wrong) {
    const { code, stderr } = await runManifest(cases);
    assert.equal(code, 1);
    assert.match(stderr, expected);
  }
  await writeFile(path('manifest.json'), '[');
  const broken = await cmcp('evidence', 'verify', '--manifest', path('manifest.json'));
  assert.match(broken.stderr, /manifest\.json is not strict JSON/);
});

test('a nonce is given in hexadecimal digits of either case, and has to be the one that is answered', async () => {
  const nonce = new Uint8Array(20).fill(0xab);
  const tpm = await makeTpm();
  const { attest, signature } = tpm.quote(nonce, 'sha256:0');
  const roles = { attest, signature, ak_chain: tpm.files.ak_chain ?? '' };
  for (const [role, bytes] of Object.entries(roles)) await writeFile(path(`tpm-${role}`), bytes);
  await writeFile(path('tpm-root'), tpm.root.certificate ?? '');
  const files = Object.keys(roles).flatMap((role) => ['--file', `${role}=${path(`tpm-${role}`)}`]);
  const verifyTpm = (...more: string[]) =>
    cmcp('evidence', 'verify', '--kind', 'tpm', ...files, '--root', path('tpm-root'), '--at', AT, ...more);
  for (const hex of ['ab'.repeat(20), 'AB'.repeat(20)]) {
    const { code, stdout } = await verifyTpm('--nonce', hex);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /Does the quote answer the challenge\? extraData is the nonce itself/);
  }
  const replayed = await verifyTpm('--nonce', 'cd'.repeat(20));
  assert.equal(replayed.code, 1);
  assert.match(replayed.stdout, /AUTHENTIC, NOT ACCEPTABLE/);
});

test('a case whose files cannot be read is a row that differs, and the others are run all the same', async () => {
  const { code, stdout } = await runManifest([{ ...CASE, id: 'gone', files: { report: 'absent' } }, CASE]);
  assert.equal(code, 1);
  assert.match(stdout, /gone +sev-snp +not run +not run +DIFFERS/);
  assert.match(stdout, /gone: .*absent does not exist/);
  assert.match(stdout, /1 of 2 cases as expected/);
});

test('a root or a key among the files is no pin, unless the case says that it is', async () => {
  const tpm = await makeTpm();
  const { attest, signature } = tpm.quote(new Uint8Array(32), 'sha256:0');
  for (const [name, bytes] of Object.entries({ attest, signature, ak: tpm.akPem })) await writeFile(path(name), bytes);
  const no = { authentic: false, acceptable: false };
  const quote = { ...CASE, kind: 'tpm', files: { attest: 'attest', signature: 'signature', ak: 'ak' } };
  const cases = [
    { ...CASE, files: { ...CASE.files, test_root: 'root' }, params: { trust: 'vendor' }, expect: no },
    { ...quote, params: { trust: 'vendor' }, expect: no },
    { ...quote, params: { trust: 'ak-public' }, expect: { authentic: true, acceptable: null } },
  ];
  const { code, stdout } = await runManifest(cases);
  assert.equal(code, 0, stdout);
});

test('what a manifest says of its cases is not said again by flags', async () => {
  for (const more of [['--kind', 'tdx'], ['--nonce', '00'], ['--root', path('root')], ['--tpm-makers']]) {
    const { code, stderr } = await runManifest([CASE], ...more);
    assert.equal(code, 2);
    assert.match(stderr, /does not go with --manifest/);
  }
});

test('all genuine evidence of the shared vectors has the expected verdicts [D-42]', async (t) => {
  const manifest = sharedPath('vectors', 'manifest.json');
  if (manifest === null) return t.skip('the shared vectors are absent');
  const { code, stdout } = await cmcp('evidence', 'verify', '--manifest', manifest);
  assert.equal(code, 0, stdout);
});

test('show prints every kind of file as a tree, says that it verified nothing, and shows what it does not know', async () => {
  const { code, stdout } = await cmcp('evidence', 'show', path('report'), path('vcek'), path('chain'));
  assert.equal(code, 0);
  assert.match(stdout, /report: SEV-SNP attestation report \(shown, not verified\)/);
  assert.match(stdout, /debug: no/);
  assert.match(stdout, /vcek: certificate \(shown/);
  assert.match(stdout, /chain: certificates \(PEM\)/);
  await writeFile(path('noise'), 'no evidence at all');
  const noise = await cmcp('evidence', 'show', path('noise'), '--json');
  assert.equal(JSON.parse(noise.stdout).kind, 'file of a form that is not known');
});

test('show reads every file of the shared vectors as what it is', async (t) => {
  const manifest = sharedPath('vectors', 'manifest.json');
  if (manifest === null) return t.skip('the shared vectors are absent');
  const cases = JSON.parse(await readFile(manifest, 'utf8')) as ManifestCase[];
  const texts = ['nonce', 'report_data', 'signature_raw', 'event_log_table', 'ak'];
  const files = new Set(
    cases
      .flatMap(({ files: each }) => Object.entries(each).filter(([role]) => !texts.includes(role)))
      .map(([, file]) => file),
  );
  const strange = [];
  for (const file of files) {
    const { stdout } = await cmcp('evidence', 'show', sharedPath('vectors', file) ?? '');
    if (stdout.includes('a form that is not known')) strange.push(file);
  }
  // Made to be wrong, an SGX quote, and the TDREPORT of a machine: nothing that is evidence here.
  const expected = ['tdx/phala-v4-pckcrl-empty/pck_crl.der', 'tdx/phala-sgx-quote-as-tdx/quote.bin'];
  assert.deepEqual(
    strange.filter((file) => !expected.includes(file)),
    [],
  );
});
