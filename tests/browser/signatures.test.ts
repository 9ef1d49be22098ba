import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { buildChain } from '../../packages/evidence/src/crypto/chain.ts';
import { readCertificates } from '../../packages/evidence/src/crypto/x509.ts';
import type { AnchorPurpose } from '../../packages/evidence/src/hardware/given.ts';
import { VENDOR_ANCHORS } from '../../packages/evidence/src/roots/vendor.ts';
import { sharedPath } from '../shared.ts';
import { chromiumPath } from '../support/chromium-path.ts';
import { launch } from './chromium.ts';

const path = chromiumPath();
const vectors = sharedPath('vectors');
const wycheproof = sharedPath('datasets', 'wycheproof');
const skip =
  path === null
    ? 'there is no Chromium on this machine'
    : vectors === null || wycheproof === null
      ? 'the vectors are not there'
      : false;

/** What runs in the browser: the same modules, on signatures and chains as text. */
const IN_THE_BROWSER = `
  import { buildChain } from './crypto/chain.ts';
  import { parseSpki } from './crypto/key.ts';
  import { ecdsaFromDer, verifySignature } from './crypto/signature.ts';
  import { readCertificates } from './crypto/x509.ts';
  import { VENDOR_ANCHORS } from './roots/vendor.ts';
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
  globalThis.wrongAnswers = async (groups, scheme, curve) => {
    const wrong = [];
    for (const { publicKeyDer, tests } of groups) {
      const key = parseSpki(bytes(publicKeyDer));
      for (const { tcId, msg, sig, result } of tests) {
        const signature = curve === null ? bytes(sig) : ecdsaFromDer(bytes(sig), curve);
        const found = signature === null ? 'invalid' : await verifySignature(key, scheme, signature, bytes(msg));
        if (found !== result) wrong.push({ tcId, found });
      }
    }
    return wrong;
  };
  globalThis.chainOf = async (files, purpose, at) => {
    const [leaf, ...pool] = files.flatMap((file) => readCertificates(bytes(file)));
    const chain = await buildChain(leaf, pool, { anchors: VENDOR_ANCHORS, purpose, at });
    return chain.ok ? chain.path.map((each) => each.subject.text) : chain.problem;
  };
`;

async function script(): Promise<string> {
  const resolveDir = fileURLToPath(new URL('../../packages/evidence/src', import.meta.url));
  const { outputFiles } = await build({
    stdin: { contents: IN_THE_BROWSER, resolveDir, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
  });
  return outputFiles[0]?.text ?? '';
}

/** Runs `work` on an empty page that may use WebCrypto: the page is of a secure origin, and nothing leaves the machine. */
async function onPage<T>(work: (page: Page) => Promise<T>): Promise<T> {
  await using browser = await launch(path ?? '');
  const page = await browser.newPage();
  await page.route('https://verifier.test/', (route) => route.fulfill({ contentType: 'text/html', body: '' }));
  await page.goto('https://verifier.test/');
  await page.addScriptTag({ content: await script() });
  return await work(page);
}

const call = (page: Page, name: string, ...args: unknown[]): Promise<unknown> =>
  page.evaluate(([fn, given]) => Reflect.get(globalThis, fn as string)(...(given as unknown[])), [name, args]);

test('Chromium gives the same answers as Node on every Wycheproof signature [ATK-36]', { skip }, async () => {
  const ecdsa = (hash: string) => ({ kind: 'ecdsa', hash });
  const pss = { kind: 'rsassa-pss', hash: 'sha256', saltLength: 32 };
  await onPage(async (page) => {
    for (const [file, scheme, curve] of [
      ['ecdsa_secp256r1_sha256_p1363', ecdsa('sha256'), null],
      ['ecdsa_secp256r1_sha256', ecdsa('sha256'), 'P-256'],
      ['ecdsa_secp384r1_sha384_p1363', ecdsa('sha384'), null],
      ['ecdsa_secp384r1_sha384', ecdsa('sha384'), 'P-384'],
      ['rsa_pss_2048_sha256_mgf1_32', pss, null],
      ['ed25519', { kind: 'ed25519' }, null],
    ] as const) {
      const { testGroups } = JSON.parse(readFileSync(join(wycheproof ?? '', `${file}_test.json`), 'utf8'));
      assert.deepEqual(await call(page, 'wrongAnswers', testGroups, scheme, curve), [], file);
    }
  });
});

const PURPOSES: Record<string, AnchorPurpose> = {
  'sev-snp': 'amd-sev',
  'azure-cvm': 'amd-sev',
  tdx: 'intel-sgx',
  tpm: 'tpm',
  nvidia: 'nvidia-device',
};
const ROLES = ['vcek', 'chain', 'tcb_chain', 'pck_chain', 'cert_chain', 'ak_chain'];

test('Chromium gives the same answers as Node on genuine chains, right and wrong', { skip }, async () => {
  const cases = JSON.parse(readFileSync(join(vectors ?? '', 'manifest.json'), 'utf8')) as {
    kind: string;
    at: string;
    files: Record<string, string>;
  }[];
  await onPage(async (page) => {
    for (const { kind, at, files } of cases) {
      const [purpose, time] = [PURPOSES[kind] ?? 'tpm', Date.parse(at) / 1000];
      const given = ROLES.flatMap((role) => files[role] ?? []).map((file) => readFileSync(join(vectors ?? '', file)));
      const [leaf, ...pool] = given.flatMap((file) => readCertificates(new Uint8Array(file)));
      if (leaf === undefined) continue;
      const chain = await buildChain(leaf, pool, { anchors: VENDOR_ANCHORS, purpose, at: time });
      const hex = given.map((file) => file.toString('hex'));
      const expected = chain.ok ? chain.path.map((each) => each.subject.text) : chain.problem;
      assert.deepEqual(await call(page, 'chainOf', hex, purpose, time), expected);
    }
  });
});
