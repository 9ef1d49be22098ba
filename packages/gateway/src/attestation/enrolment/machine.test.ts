import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, type TestContext, test } from 'node:test';
import {
  encodeHex,
  givenAnchor,
  parseCertificate,
  parseStoragePublic,
  readCertificates,
  samePublicKey,
  sha256,
} from '@cmcp/evidence';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import { issueCertificate, newKeyPair } from '../../../../evidence/src/testing/pki.ts';
import { GatewayError } from '../../errors.ts';
import type { Tpm, TpmCommands } from '../tpm/api.ts';
import { nameOf } from '../tpm/public-area.ts';
import { ekEccP256Template, ekEccP384Template, ekRsa2048Template } from '../tpm/templates.ts';
import { openTpm } from '../tpm/tpm.ts';
import { activateAtOnce } from './at-once.ts';
import type { EnrolmentChallenge } from './documents.ts';
import { answerChallenge, requestEnrolment } from './machine.ts';
import { makeCredential } from './make-credential.ts';

const AT = 1_800_000_000;
const silent = () => {};

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

/** Runs `work` with the software TPM; a visible skip where there is none. */
async function onTpm(t: TestContext, work: (tpm: Tpm, software: SoftwareTpm) => Promise<void>): Promise<void> {
  if (device === null) return t.skip(absent ?? 'no software TPM');
  const tpm = openTpm(device.address);
  try {
    await work(tpm, device);
  } finally {
    await tpm.close();
  }
}

/** `tpm`, some of whose commands are others. */
function altered(tpm: Tpm, other: (commands: TpmCommands) => Partial<TpmCommands>): Tpm {
  return {
    run: (work, signal) => tpm.run((commands) => work({ ...commands, ...other(commands) }), signal),
    close: () => tpm.close(),
  };
}

function refuses(work: Promise<unknown>, said: RegExp): Promise<void> {
  return assert.rejects(
    work,
    (error) => error instanceof GatewayError && error.code === 'ENROLMENT_REFUSED' && said.test(error.detail),
    `${said} was expected`,
  );
}

const TEMPLATES = { 'RSA 2048': ekRsa2048Template, 'ECC P-256': ekEccP256Template, 'ECC P-384': ekEccP384Template };

/** A challenge as an enroller would make it, for the TPM's own keys, and its secret. */
async function challengeFor(
  tpm: Tpm,
  kind: keyof typeof TEMPLATES,
): Promise<{ challenge: EnrolmentChallenge; secret: Uint8Array; area: Uint8Array<ArrayBuffer> }> {
  const { attestationKey } = await requestEnrolment(tpm, 'node-1', silent);
  const { publicArea } = await tpm.run((commands) => commands.createPrimary('endorsement', TEMPLATES[kind]()));
  const attestationKeyName = nameOf(attestationKey);
  const secret = new Uint8Array(randomBytes(32));
  const challenge = {
    id: '00'.repeat(16),
    attestationKeyName,
    endorsementKeyName: nameOf(publicArea),
    credential: makeCredential(parseStoragePublic(publicArea), attestationKeyName, secret),
    expires: AT,
  };
  return { challenge, secret, area: publicArea };
}

test('a machine asks for the key that it quotes with, and names every endorsement key that has a certificate', (t) =>
  onTpm(t, async (tpm, software) => {
    const request = await requestEnrolment(tpm, 'node-1', silent);
    assert.equal(request.machine, 'node-1');
    const kinds = request.endorsementKeys.map(({ certificate, publicArea }) => {
      const { key } = parseStoragePublic(publicArea);
      assert.ok(samePublicKey(parseCertificate(certificate).key, key));
      return key.kind === 'ec' ? key.curve : key.kind;
    });
    assert.deepEqual(kinds, ['rsa', 'P-384']);
    const written = encodeHex(sha256(software.ekCertificate()));
    assert.ok(request.endorsementKeys.some(({ certificate }) => encodeHex(sha256(certificate)) === written));
    assert.deepEqual(await requestEnrolment(tpm, 'node-1', silent), request);
  }));

for (const kind of Object.keys(TEMPLATES) as (keyof typeof TEMPLATES)[]) {
  test(`a machine answers a challenge for its endorsement key ${kind}`, (t) =>
    onTpm(t, async (tpm) => {
      const { challenge, secret } = await challengeFor(tpm, kind);
      assert.deepEqual(await answerChallenge(tpm, challenge, AT), { id: challenge.id, secret });
    }));

  test(`a credential of tpm2_makecredential for the endorsement key ${kind} is opened`, (t) =>
    onTpm(t, async (tpm, software) => {
      const { challenge, area } = await challengeFor(tpm, kind);
      const secret = new Uint8Array(randomBytes(32));
      software.write('secret', secret);
      software.write('ek.pub', Uint8Array.of(area.length >> 8, area.length & 0xff, ...area));
      const name = encodeHex(challenge.attestationKeyName);
      software.run('tpm2_makecredential', '-e', 'ek.pub', '-s', 'secret', '-n', name, '-o', 'credential');
      // Magic and version, then both structures with their sizes.
      const file = software.file('credential').subarray(8);
      const length = ((file[0] ?? 0) << 8) | (file[1] ?? 0);
      const credential = { idObject: file.slice(2, 2 + length), encryptedSecret: file.slice(4 + length) };
      const answer = await answerChallenge(tpm, { ...challenge, credential }, AT);
      assert.deepEqual(answer.secret, secret);
    }));

  test(`a TPM opens nothing that was made for another attestation key, or altered (${kind})`, (t) =>
    onTpm(t, async (tpm) => {
      const { challenge, secret, area } = await challengeFor(tpm, kind);
      const another = nameOf(area);
      const credential = makeCredential(parseStoragePublic(area), another, secret);
      await refuses(
        answerChallenge(tpm, { ...challenge, credential }, AT),
        /for another attestation key, or was altered/,
      );
      const { idObject, encryptedSecret } = challenge.credential;
      const flipped = new Uint8Array(idObject.with(40, (idObject[40] ?? 0) ^ 1));
      const changed = { ...challenge, credential: { idObject: flipped, encryptedSecret } };
      await refuses(answerChallenge(tpm, changed, AT), /was altered/);
      const cut = { ...challenge, credential: { idObject, encryptedSecret: encryptedSecret.slice(1) } };
      await refuses(answerChallenge(tpm, cut, AT), /./);
    }));
}

test('a machine refuses a challenge that is late, for another attestation key, or for another TPM', (t) =>
  onTpm(t, async (tpm) => {
    const { challenge } = await challengeFor(tpm, 'ECC P-256');
    await refuses(answerChallenge(tpm, challenge, AT + 1), /expired/);
    await refuses(answerChallenge(tpm, challenge, Number.NaN), /expired/);
    const name = new Uint8Array(challenge.attestationKeyName.with(20, 0).with(21, 0));
    await refuses(
      answerChallenge(tpm, { ...challenge, attestationKeyName: name }, AT),
      /for another attestation key than/,
    );
    await refuses(answerChallenge(tpm, { ...challenge, endorsementKeyName: name }, AT), /is not in this TPM/);
  }));

test('a TPM without certificates, or with those of keys that it has not, cannot be enrolled', (t) =>
  onTpm(t, async (tpm) => {
    const bare = altered(tpm, () => ({ nvReadPublic: async () => null }));
    await refuses(requestEnrolment(bare, 'node-1', silent), /no endorsement key with a certificate/);
    const stranger = await issueCertificate({ subject: 'CN=EK', keys: await newKeyPair('rsa2048-pkcs1') });
    const said: string[] = [];
    const strange = altered(tpm, () => ({ nvRead: async () => stranger.der }));
    await refuses(
      requestEnrolment(strange, 'node-1', (detail) => said.push(detail)),
      /no endorsement key with a certificate/,
    );
    assert.match(said.join('\n'), /0x01C00002 is not in the TPM/);
  }));

test('an endorsement key that the maker left in the TPM is not made again', (t) =>
  onTpm(t, async (tpm) => {
    let made = 0;
    const counting = altered(tpm, (commands) => ({
      createPrimary: (...given) => {
        made++;
        return commands.createPrimary(...given);
      },
    }));
    const request = await requestEnrolment(counting, 'node-1', silent);
    assert.equal(request.endorsementKeys.length, 2);
    assert.equal(made, 1, 'only the attestation key is made');
  }));

test('other keys among the endorsement keys of a TPM are passed over', (t) =>
  onTpm(t, async (tpm) => {
    const first = 0x8101_0000;
    const usual = await requestEnrolment(tpm, 'node-1', silent);
    const signing = { handle: first, publicArea: usual.attestationKey, name: nameOf(usual.attestationKey) };
    const crowded = altered(tpm, (commands) => ({
      handles: async (from) => [...(from === first ? [first] : []), ...(await commands.handles(from))],
      readPublic: async (handle) => (handle === first ? signing : commands.readPublic(handle)),
    }));
    assert.deepEqual(await requestEnrolment(crowded, 'node-1', silent), usual);
  }));

test('in one process too, only the secret of the challenge will do', (t) =>
  onTpm(t, async (tpm, software) => {
    const anchors = readCertificates(software.file('ca/issuercert.pem')).map((issuer) => givenAnchor(issuer, ['tpm']));
    const at = Math.floor(Date.now() / 1000);
    const given = { anchors, pool: [], at, machine: null, endorsementKey: null };
    const { state } = await activateAtOnce(tpm, 'node-1', given, silent);
    assert.deepEqual([state.machine, state.device.model], ['node-1', 'swtpm']);
    const lying = altered(tpm, () => ({ activateCredential: async () => new Uint8Array(32) }));
    await refuses(activateAtOnce(lying, 'node-1', given, silent), /not the secret of the challenge/);
  }));

test('a TPM that is not there is named', async () => {
  const tpm = openTpm({ kind: 'unix', path: '/nonexistent/tpm.sock' });
  await refuses(requestEnrolment(tpm, 'node-1', silent), /\/nonexistent\/tpm\.sock.*cmcp doctor/s);
  await tpm.close();
});
