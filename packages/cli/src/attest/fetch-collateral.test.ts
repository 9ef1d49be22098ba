import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { cmcpInProcess } from '../../../../tests/support/cli-in-process.ts';
import { snpMachine } from '../../../../tests/support/tsm-double.ts';
import { kdsAnswers, pcsAnswers, vendorService } from '../../../../tests/support/vendor-service.ts';
import { makeTdx } from '../../../evidence/src/testing/tdx.ts';

// Services and evidence are test doubles under generated roots: neither AMD nor Intel was asked.

const CHIP_PATH = `${'c4'.repeat(64)}?blSPL=09&teeSPL=01&snpSPL=23&ucodeSPL=72`;

async function setUp(t: TestContext, files: Record<string, Uint8Array>) {
  const folder = await mkdtemp(join(tmpdir(), 'fetch-collateral-'));
  t.after(() => rm(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);
  for (const [name, bytes] of Object.entries(files)) await writeFile(at(name), bytes);
  const cmcp = (...args: string[]) => cmcpInProcess(['attest', 'fetch-collateral', ...args], folder);
  return {
    at,
    cmcp,
    stored: async () => (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.part')),
  };
}

async function amd(t: TestContext) {
  const { made } = await snpMachine();
  const service = await vendorService(t, kdsAnswers('Milan', CHIP_PATH, made.files));
  const { certificate } = made.root;
  assert.ok(certificate);
  return { service, ...(await setUp(t, { 'report.bin': made.files.report, 'root.der': certificate })) };
}

test('the command fetches for a report, says what, and exits 0', async (t) => {
  const { at, cmcp, service, stored } = await amd(t);
  const ran = await cmcp(
    '--report',
    at('report.bin'),
    '--kds',
    service.url,
    '--root',
    at('root.der'),
    '--out',
    at('out'),
  );
  assert.deepEqual([ran.code, ran.stderr.split('\n').length], [0, 4], ran.stderr);
  assert.match(ran.stderr, /^the VCEK: http:\/\/127\.0\.0\.1/);
  assert.match(ran.stdout, /^Checked, and stored in .*out:\n {2}sev-snp\/milan\/vcek\//);
  assert.deepEqual(await readdir(at('out/sev-snp/milan')), ['vcek', 'vcek-chain.pem', 'vcek-crl.der']);
  assert.deepEqual(await stored(), [], 'no half-written file is left');
});

test('without its root, what the test double serves is refused, as AMD’s pinned roots say', async (t) => {
  const { at, cmcp, service } = await amd(t);
  const ran = await cmcp('--report', at('report.bin'), '--kds', service.url, '--out', at('out'));
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /COLLATERAL_UNAVAILABLE/);
  assert.match(ran.stderr, /does not make the evidence authentic/);
  await assert.rejects(readdir(at('out')), { code: 'ENOENT' });
});

test('where a gateway is configured, its folder is filled', async (t) => {
  const { at, cmcp, service } = await amd(t);
  await writeFile(
    at('cmcp.yaml'),
    [
      'listen: 127.0.0.1:0',
      'policy: {path: ./policy}',
      'catalog: {path: ./catalog.json}',
      'attestation: {collateral: ./vendor}',
    ].join('\n'),
  );
  const ran = await cmcp(
    '--report',
    at('report.bin'),
    '--kds',
    service.url,
    '--root',
    at('root.der'),
    '--config',
    at('cmcp.yaml'),
    '--json',
  );
  assert.equal(ran.code, 0, ran.stderr);
  const said = JSON.parse(ran.stdout);
  assert.equal(said.folder, at('vendor'));
  assert.equal(said.files.length, 3);
  assert.deepEqual(await readdir(at('vendor')), ['sev-snp']);
});

test('the command fetches for a quote', async (t) => {
  const now = Math.floor(Date.now() / 1000);
  const { files, root } = await makeTdx({ at: now });
  assert.ok(files.quote && root.certificate);
  const service = await vendorService(t, pcsAnswers('50806f000000', files));
  const { at, cmcp } = await setUp(t, { 'quote.bin': files.quote, 'root.der': root.certificate });
  const ran = await cmcp(
    '--quote',
    at('quote.bin'),
    '--pcs',
    service.url,
    '--root',
    at('root.der'),
    '--out',
    at('out'),
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal((await readdir(at('out/tdx/50806f000000-platform'))).length, 7);
});

test('a machine that is no confidential VM is told to name a report or a quote', async (t) => {
  if (existsSync('/sys/kernel/config/tsm/report')) return t.skip('this machine may be a confidential VM');
  const { at, cmcp } = await amd(t);
  const ran = await cmcp('--out', at('out'));
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /this machine gives no evidence: .*--report FILE, --quote FILE/);
});

test('a command line that contradicts itself is one that is wrong', async (t) => {
  const { at, cmcp } = await amd(t);
  const cases: [string[], RegExp][] = [
    [['file'], /takes no file/],
    [['--report', at('report.bin'), '--quote', at('report.bin')], /give one/],
    [['--report', at('report.bin'), '--pcs', 'https://pcs.example'], /--pcs is for the other kind/],
    [['--quote', at('report.bin'), '--kds', 'https://kds.example'], /--kds is for the other kind/],
    [['--quote', at('report.bin'), '--product', 'Milan'], /--product is for the other kind/],
    [['--report', at('report.bin'), '--product', 'Rome'], /Milan, Genoa, Turin/],
  ];
  for (const [args, words] of cases) {
    const ran = await cmcp(...args);
    assert.equal(ran.code, 2, args.join(' '));
    assert.match(ran.stderr, words);
  }
});
