import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, type TestContext, test } from 'node:test';
import { decodeHex, encodeHex, parseStoragePublic } from '@cmcp/evidence';
import { ekArea } from '../../../../../tests/support/enrolment-request.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import { TpmError } from '../tpm/error.ts';
import { TpmWriter } from '../tpm/writer.ts';
import { type Credential, makeCredential } from './make-credential.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

function present(t: TestContext): SoftwareTpm | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  return device;
}

/** The file that tpm2_activatecredential reads. */
function asFile({ idObject, encryptedSecret }: Credential): Uint8Array {
  return new TpmWriter().u32(0xbadcc0de).u32(1).sized(idObject).sized(encryptedSecret).done();
}

/** An attestation key of the TPM: a primary of its own, so that it needs no endorsement key as parent. Gives its Name. */
function attestationKey(tpm: SoftwareTpm, name: string): Uint8Array<ArrayBuffer> {
  const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign';
  tpm.run('tpm2_createprimary', '-C', 'e', '-G', 'ecc256:ecdsa-sha256:null', '-a', attributes, '-c', `${name}.ctx`);
  tpm.run('tpm2_readpublic', '-c', `${name}.ctx`, '-n', `${name}.name`);
  return tpm.file(`${name}.name`);
}

/** Endorsement keys by kind: how each is loaded, and whether the policy of the endorsement hierarchy opens it. */
const KINDS: Record<string, { handle: string; policy: boolean; make?: string[] }> = {
  'RSA 2048': { handle: '0x81010001', policy: true },
  'ECC P-256': { handle: 'p256.ctx', policy: true, make: ['-G', 'ecc', '-c', 'p256.ctx', '-u', 'p256.pub'] },
  'ECC P-384': { handle: '0x81010016', policy: false },
};

function activate(tpm: SoftwareTpm, kind: string, credential: Credential): Uint8Array {
  const { handle = '', policy } = KINDS[kind] ?? {};
  tpm.write('credential', asFile(credential));
  const given = ['-c', 'ak.ctx', '-C', handle, '-i', 'credential', '-o', 'activated'];
  if (policy !== true) {
    tpm.run('tpm2_activatecredential', ...given);
    return tpm.file('activated');
  }
  tpm.run('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
  tpm.run('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e');
  try {
    tpm.run('tpm2_activatecredential', ...given, '-P', 'session:session.ctx');
  } finally {
    tpm.run('tpm2_flushcontext', 'session.ctx');
  }
  return tpm.file('activated');
}

for (const [kind, { handle, make }] of Object.entries(KINDS)) {
  test(`a TPM with an endorsement key ${kind} opens a credential for the key that it holds, and no other`, (t) => {
    const tpm = present(t);
    if (tpm === null) return;
    const name = attestationKey(tpm, 'ak');
    if (make !== undefined) tpm.run('tpm2_createek', ...make);
    else tpm.run('tpm2_readpublic', '-c', handle, '-o', 'ek.pub');
    const endorsementKey = parseStoragePublic(tpm.file(make === undefined ? 'ek.pub' : 'p256.pub'));
    const secret = new Uint8Array(randomBytes(32));
    assert.deepEqual(activate(tpm, kind, makeCredential(endorsementKey, name, secret)), secret);
    const another = Uint8Array.from(name, (byte, i) => (i === 20 ? byte ^ 1 : byte));
    assert.throws(() => activate(tpm, kind, makeCredential(endorsementKey, another, secret)), /integrity/i);
    const altered = makeCredential(endorsementKey, name, secret);
    altered.idObject.set([(altered.idObject.at(-1) ?? 0) ^ 1], altered.idObject.length - 1);
    assert.throws(() => activate(tpm, kind, altered), /integrity/i);
  });
}

test('no secret is sent to a point off its curve or on P-521, a key that decrypts for anyone, or one whose name is SHA-1', () => {
  const x = decodeHex('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296');
  const y = decodeHex('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5');
  const name = new Uint8Array(34);
  const secret = new Uint8Array(32);
  const refused = (area: Uint8Array<ArrayBuffer>, said: RegExp) =>
    assert.throws(
      () => makeCredential(parseStoragePublic(area), name, secret),
      (error) => error instanceof TpmError && error.code === 'response' && said.test(error.message),
    );
  assert.equal(encodeHex(makeCredential(parseStoragePublic(ekArea(x, y)), name, secret).idObject).slice(0, 4), '0020');
  refused(ekArea(x, x), /point is not on its curve/);
  refused(ekArea(x, y, { nameAlgorithm: '0004' }), /SHA-1/);
  refused(ekArea(x, y, { attributes: '000200b2' }), /not restricted/);
  refused(ekArea(x, y, { attributes: '000700b2' }), /not restricted/);
  refused(ekArea(new Uint8Array(66), new Uint8Array(66), { curve: '0005' }), /P-521/);
  assert.throws(() => makeCredential(parseStoragePublic(ekArea(x, y)), name, new Uint8Array(33)), RangeError);
});
