import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import {
  type EvidenceFiles,
  type EvidenceVerdict,
  givenAnchor,
  readCertificates,
  TPM_MAKER_ANCHORS,
  VENDOR_ANCHORS,
  verifyEvidence,
} from '@cmcp/evidence';
import { issueAkCertificate, openTpm, readCa } from '@cmcp/gateway/enrolment';
import { chooseKey } from '../packages/gateway/src/attestation/tpm/attestation-key.ts';
import { ALL_STATIC_PCRS, takeQuotes } from '../packages/gateway/src/attestation/tpm/quotes.ts';
import type { Ran } from './support/cli.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { testRequest } from './support/enrolment-request.ts';
import { TestBed } from './support/gateway.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from './support/software-tpm.ts';

const absent = noSoftwareTpm();
let tpm: SoftwareTpm | null = null;
before(() => {
  if (absent === null) tpm = startSoftwareTpm();
});
after(() => tpm?.stop());

/** A machine with a software TPM, and an enroller with a CA, in one folder. */
class Bed {
  readonly folder: string;
  readonly config: string;
  readonly tpm: SoftwareTpm;

  constructor(bed: TestBed, software: SoftwareTpm) {
    this.folder = bed.folder;
    this.config = bed.configFile;
    this.tpm = software;
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  async json(name: string): Promise<Record<string, unknown>> {
    return JSON.parse(await readFile(this.file(name), 'utf8')) as Record<string, unknown>;
  }

  async change(name: string, members: object): Promise<void> {
    await writeFile(this.file(name), JSON.stringify({ ...(await this.json(name)), ...members }));
  }

  enroll(...args: string[]): Promise<Ran> {
    return cmcpInProcess(['attest', 'enroll', ...args], this.folder);
  }

  /** A step that must be done. */
  async done(...args: string[]): Promise<Ran> {
    const ran = await this.enroll(...args);
    assert.equal(ran.code, 0, `${args.join(' ')}: ${ran.stderr}`);
    return ran;
  }

  /** A step that must be refused, with `code` and words that say why. */
  async refused(args: string[], said: RegExp, code = 1): Promise<void> {
    const ran = await this.enroll(...args);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stderr}`);
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, said);
    if (code === 1 && /ENROLMENT/.test(ran.stderr)) assert.match(ran.stderr, /\(ENROLMENT_REFUSED\)/);
  }

  request = (out = 'request.json') => ['request', '--config', this.config, '--out', this.file(out), '--name', 'node-1'];
  challenge = (n: number) => [
    ...['challenge', this.file('request.json'), '--root', this.file('root.pem'), '--issuer', this.file('issuer.pem')],
    ...['--state', this.file(`state${n}.json`), '--out', this.file(`challenge${n}.json`)],
  ];
  answer = (n: number) => [
    ...['answer', this.file(`challenge${n}.json`), '--config', this.config, '--out', this.file(`answer${n}.json`)],
  ];
  issue = (n: number, answer = n) => [
    ...['issue', this.file(`answer${answer}.json`), '--state', this.file(`state${n}.json`)],
    ...['--ca-cert', this.file('ca.pem'), '--ca-key', this.file('ca.key'), '--out', this.file(`ak${n}.pem`)],
  ];

  async ca(): Promise<void> {
    const out = ['--out-cert', this.file('ca.pem'), '--out-key', this.file('ca.key')];
    await this.done('ca', '--name', 'Test enroller', ...out);
  }
}

async function withMachine(t: TestContext, work: (bed: Bed) => Promise<void>): Promise<void> {
  if (tpm === null) return t.skip(absent ?? 'no software TPM');
  const config = `attestation: { provider: tpm, tpm: { address: "unix:${tpm.address.path}" } }`;
  const bed = await TestBed.create({ tools: [], config });
  try {
    await writeFile(join(bed.folder, 'root.pem'), tpm.file('ca/swtpm-localca-rootca-cert.pem'));
    await writeFile(join(bed.folder, 'issuer.pem'), tpm.file('ca/issuercert.pem'));
    await work(new Bed(bed, tpm));
  } finally {
    await bed.close();
  }
}

const now = () => Math.floor(Date.now() / 1000);

/** What a relying party with `roots` (PEM) says of a quote with the key of the certificate in `chain` (PEM, leaf first). */
async function quoted(
  bed: Bed,
  chain: Uint8Array<ArrayBuffer>,
): Promise<(roots: Uint8Array<ArrayBuffer> | null) => Promise<EvidenceVerdict>> {
  const device = openTpm(bed.tpm.address);
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  const [own = assert.fail()] = readCertificates(new Uint8Array(await readFile(bed.file('ak1.pem'))));
  const key = await device.run((commands) => chooseKey(commands, own, () => {}));
  const request = { extraData: nonce, indexes: ALL_STATIC_PCRS };
  const { attest, signature, pcrs } = (await takeQuotes(device, key, [request])).of(request);
  await device.close();
  const files: EvidenceFiles = { attest, signature, pcrs, ak_chain: chain, ak_public: key.publicArea };
  return (roots) => {
    const named = roots === null ? [] : readCertificates(roots).map((root) => givenAnchor(root, ['tpm']));
    const anchors = [...VENDOR_ANCHORS, ...TPM_MAKER_ANCHORS, ...named];
    return verifyEvidence('tpm', files, { at: now(), anchors, nonce });
  };
}

for (const kind of ['RSA 2048', 'ECC P-384'] as const) {
  test(`a machine whose TPM has an endorsement key ${kind} is enrolled, and its quotes are accepted under the enroller's root as those of a software TPM [D-44]`, (t) =>
    withMachine(t, async (bed) => {
      await bed.ca();
      assert.equal((await stat(bed.file('ca.key'))).mode & 0o777, 0o600);
      await bed.done(...bed.request());
      const keys = (await bed.json('request.json')).endorsement_keys as unknown[];
      assert.equal(keys.length, 2);
      await bed.change('request.json', { endorsement_keys: [keys[kind === 'RSA 2048' ? 0 : 1]] });
      const challenged = await bed.done(...bed.challenge(1));
      assert.match(challenged.stderr, /a software TPM: a program, not a chip/);
      assert.match(challenged.stderr, /swtpm-localca-rootca, a root that you named/);
      assert.match(challenged.stderr, /endorsement key\s+sha256:[0-9a-f]{64}/);
      assert.match(challenged.stderr, /certificate for\s+node-1/);
      assert.equal((await stat(bed.file('state1.json'))).mode & 0o777, 0o600);
      await bed.done(...bed.answer(1));
      const { secret } = await bed.json('answer1.json');
      assert.ok(!(await readFile(bed.file('state1.json'), 'utf8')).includes(String(secret)));
      await bed.done(...bed.issue(1), '--days', '30');
      const chain = new Uint8Array(await readFile(bed.file('ak1.pem')));
      const root = new Uint8Array(await readFile(bed.file('ca.pem')));
      const [leaf] = readCertificates(chain);
      assert.equal((leaf?.notAfter ?? 0) - (leaf?.notBefore ?? 0), 30 * 86_400);
      const verdict = await (await quoted(bed, chain))(root);
      assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
      assert.deepEqual([verdict.root?.source, verdict.root?.assurance], ['operator', 'software-tpm']);
      assert.equal((await (await quoted(bed, chain))(null)).authentic, false);
    }));
}

test('the certificate of another attestation key does not make a quote authentic', (t) =>
  withMachine(t, async (bed) => {
    await bed.ca();
    await bed.done('local', ...bed.challenge(1).slice(2, 6), '--config', bed.config, ...bed.issue(1).slice(4));
    const root = new Uint8Array(await readFile(bed.file('ca.pem')));
    const own = new Uint8Array(await readFile(bed.file('ak1.pem')));
    assert.equal((await (await quoted(bed, own))(root)).acceptable, true);
    const ca = await readCa(root, await readFile(bed.file('ca.key')));
    const { request } = await testRequest();
    const device = { manufacturer: 'id:00001014', model: 'swtpm', version: null };
    const subject = { machine: 'node-1', attestationKey: request.attestationKey, device };
    const other = new TextEncoder().encode(await issueAkCertificate(ca, subject, { from: now(), days: 1 }));
    assert.equal((await (await quoted(bed, other))(root)).authentic, false);
  }));

test('a challenge is answered once: a second answer, a wrong one, a late one and that of another challenge get nothing', (t) =>
  withMachine(t, async (bed) => {
    await bed.ca();
    await bed.done(...bed.request());
    for (const n of [1, 2, 3, 4]) {
      await bed.done(...bed.challenge(n));
      await bed.done(...bed.answer(n));
    }
    await bed.refused(bed.issue(1, 2), /to another challenge/);
    assert.ok(existsSync(bed.file('state1.json')), 'a mistake does not use the challenge up');
    await bed.done(...bed.issue(1));
    await bed.refused([...bed.issue(1).slice(0, -1), bed.file('again.pem')], /it was used, or never written/);
    const { secret } = await bed.json('answer2.json');
    await bed.change('answer2.json', { secret: Buffer.alloc(32).toString('base64') });
    await bed.refused(bed.issue(2), /not the secret of the challenge/);
    await bed.change('answer2.json', { secret });
    await bed.refused(bed.issue(2), /it was used/);
    await bed.change('state3.json', { expires: now() - 1 });
    await bed.refused(bed.issue(3), /expired: an answer counts for 15 minutes/);
    await bed.change('challenge4.json', { expires: now() - 1 });
    await bed.refused([...bed.answer(4).slice(0, -1), bed.file('late.json')], /has expired/);
    for (const name of ['again.pem', 'ak2.pem', 'ak3.pem', 'late.json']) assert.ok(!existsSync(bed.file(name)), name);
  }));

test('what the enroller does not trust is not challenged', (t) =>
  withMachine(t, async (bed) => {
    await bed.ca();
    await bed.done(...bed.request());
    const state = ['--state', bed.file('state.json')];
    const request = bed.file('request.json');
    await bed.refused(['challenge', request, ...state], /no root that you trust vouches .*--issuer/s);
    await bed.refused(['challenge', request, ...state, '--root', bed.file('root.pem')], /--issuer/);
    await bed.refused(
      ['challenge', request, ...state, '--root', bed.file('ca.pem'), '--tpm-makers'],
      /no root that you trust/,
    );
    await bed.refused([...bed.challenge(1), '--ek', `sha256:${'0'.repeat(64)}`], /of another TPM/);
    await bed.refused([...bed.challenge(1), '--issuer', bed.config], /holds no certificate/);
    await writeFile(bed.file('huge.json'), ' '.repeat(300_000));
    await bed.refused(['challenge', bed.file('huge.json'), ...state], /huge\.json is larger than/);
    const { stderr } = await bed.done(...bed.challenge(1));
    const [ek = ''] = /sha256:[0-9a-f]{64}/.exec(stderr) ?? [];
    await bed.done(...bed.challenge(2), '--ek', ek, '--name', 'gateway-a');
    assert.equal((await bed.json('state2.json')).machine, 'gateway-a');
    await bed.done('challenge', request, ...state, '--root', bed.file('issuer.pem'));
    const made = ['state.json', 'challenge1.json', 'challenge2.json', 'state1.json', 'state2.json'];
    for (const name of made) assert.ok(existsSync(bed.file(name)), name);
  }));

test('a challenge for the TPM of one machine is not answered by another', (t) =>
  withMachine(t, async (bed) => {
    const other = startSoftwareTpm();
    try {
      await bed.done(...bed.request());
      await bed.done(...bed.challenge(1));
      const config = (await readFile(bed.config, 'utf8')).replace(bed.tpm.address.path, other.address.path);
      await writeFile(bed.file('other.yaml'), config);
      await bed.refused(
        ['answer', bed.file('challenge1.json'), '--config', bed.file('other.yaml')],
        /for another attestation key/,
      );
    } finally {
      other.stop();
    }
  }));

test('nothing is overwritten, and a file in the way uses no challenge up', (t) =>
  withMachine(t, async (bed) => {
    await bed.ca();
    await bed.done(...bed.request());
    await bed.refused(bed.request(), /exists already, and is not replaced/);
    await bed.done(...bed.challenge(1));
    await bed.refused(bed.challenge(1), /state1\.json exists already/);
    await bed.refused(
      [...bed.challenge(1).slice(0, -3), bed.file('x.json'), '--out', bed.file('ca.pem')],
      /ca\.pem exists/,
    );
    assert.ok(!existsSync(bed.file('x.json')), 'no state is left of a challenge that was not written');
    await bed.done(...bed.answer(1));
    await bed.refused([...bed.issue(1).slice(0, -1), bed.file('ca.pem')], /ca\.pem exists already/);
    assert.ok(existsSync(bed.file('state1.json')));
    const ca = ['ca', '--name', 'Other'];
    await bed.refused([...ca, '--out-cert', bed.file('ca.pem'), '--out-key', bed.file('new.key')], /exists already/);
    await bed.refused([...ca, '--out-cert', bed.file('new.pem'), '--out-key', bed.file('ca.key')], /exists already/);
    assert.ok(!existsSync(bed.file('new.key')) && !existsSync(bed.file('new.pem')));
    await bed.done(...bed.issue(1));
  }));

const wrongUsage: [string[], RegExp][] = [
  [[], /unknown step ""/],
  [['isue'], /did you mean issue\?/],
  [['answer'], /enroll answer takes one file/],
  [['issue', 'a', 'b'], /takes one file/],
  [['request', 'a'], /enroll request takes no file/],
  [['ca', '--out-cert', 'a', '--out-key', 'b'], /name the enroller with --name/],
  [['ca', '--name', 'x', '--out-cert', 'a'], /--out-key/],
  [['ca', '--name', 'a,b', '--out-cert', 'a', '--out-key', 'b'], /--name takes 1 to 64 letters/],
  [['ca', '--name', 'x', '--days', '0', '--out-cert', 'a', '--out-key', 'b'], /--days takes a whole number/],
  [['ca', '--name', 'x', '--days', '3661', '--out-cert', 'a', '--out-key', 'b'], /from 1 to 3660/],
  [['challenge', 'x'], /--state/],
  [['challenge', '/dev/null', '--state', '/nonexistent/s', '--ek', 'abc'], /--ek takes sha256:/],
  [['issue', 'x', '--ek', `sha256:${'0'.repeat(64)}`], /--ek does not go with enroll issue/],
  [['request', '--root', 'x'], /--root does not go with enroll request/],
  [['request', '--json'], /--json does not go with enroll request/],
  [['request', '--nonce', 'x'], /--nonce does not go with cmcp attest enroll/],
  [['issue', 'x', '--ca-key', 'y'], /--state/],
  [['issue', 'x', '--state', 's'], /--ca-cert/],
  [['issue', 'x', '--state', 's', '--ca-cert', 'c'], /--ca-key/],
];
for (const [args, said] of wrongUsage) {
  test(`\`cmcp attest enroll ${args.join(' ')}\` says what is wrong with it`, async () => {
    const { code, stdout, stderr } = await cmcpInProcess(['attest', 'enroll', ...args], '/nonexistent');
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, said);
  });
}
