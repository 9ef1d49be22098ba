import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHex, type TrustAnchor } from '@cmcp/evidence';
import fc from 'fast-check';
import { type AreaFields, testRequest } from '../../../../../tests/support/enrolment-request.ts';
import { issueCertificate, newKeyPair } from '../../../../evidence/src/testing/pki.ts';
import { AK_ATTRIBUTES, deviceName, type TpmOptions } from '../../../../evidence/src/testing/tpm.ts';
import { GatewayError } from '../../errors.ts';
import { nameOf } from '../tpm/public-area.ts';
import { type ChallengeGiven, endorsementFingerprint, makeChallenge } from './challenge.ts';
import type { EnrolmentRequest } from './documents.ts';

const AT = Date.UTC(2026, 5, 1) / 1000;
const RESTRICTED = 1 << 16;
const DECRYPT = 1 << 17;
const FIXED_TPM = 1 << 1;
const SENSITIVE_DATA_ORIGIN = 1 << 5;

function trusting(root: TrustAnchor): ChallengeGiven {
  return { anchors: [root], pool: [], at: AT, machine: null, endorsementKey: null };
}

function refuses(request: EnrolmentRequest, given: ChallengeGiven, said: RegExp): Promise<void> {
  return assert.rejects(
    makeChallenge(request, given),
    (error) => error instanceof GatewayError && error.code === 'ENROLMENT_REFUSED' && said.test(error.detail),
    `${said} was expected`,
  );
}

const sound = testRequest();

test('a challenge is for the names of both keys, is kept as the digest of its secret, and expires after 15 minutes', async () => {
  const { request, tpm } = await sound;
  const { challenge, state, endorsement } = await makeChallenge(request, trusting(tpm.root));
  assert.deepEqual(challenge.attestationKeyName, nameOf(request.attestationKey));
  const [{ publicArea } = assert.fail()] = request.endorsementKeys;
  assert.deepEqual(challenge.endorsementKeyName, nameOf(publicArea));
  assert.equal(challenge.expires, AT + 900);
  assert.deepEqual([state.id, state.expires, state.machine], [challenge.id, AT + 900, 'node-1']);
  assert.equal(state.secretDigest.length, 32);
  assert.deepEqual(state.device, { manufacturer: 'id:54455354', model: 'test TPM', version: 'id:1' });
  assert.equal(endorsement.software, false);
  const again = await makeChallenge(request, { ...trusting(tpm.root), machine: 'gateway-a' });
  assert.equal(again.state.machine, 'gateway-a');
  assert.notDeepEqual([again.state.id, again.state.secretDigest], [state.id, state.secretDigest]);
});

test('a challenge is made for the expected endorsement key only, where the enroller names one', async () => {
  const { request, tpm } = await sound;
  const { endorsement } = await makeChallenge(request, trusting(tpm.root));
  const endorsementKey = endorsementFingerprint(endorsement);
  await makeChallenge(request, { ...trusting(tpm.root), endorsementKey });
  await refuses(request, { ...trusting(tpm.root), endorsementKey: '0'.repeat(64) }, /not the expected one/);
});

test('certificates between endorsement key and root come with the request or from the enroller, and are no roots', async () => {
  const { request, tpm } = await sound;
  const bare = { ...request, issuers: [] };
  await refuses(bare, trusting(tpm.root), /no certificate of its issuer/);
  const pool = [tpm.issuer.certificate];
  await makeChallenge(bare, { ...trusting(tpm.root), pool });
  await refuses(bare, { ...trusting(tpm.root), anchors: [], pool }, /not a trusted root/);
});

test('the endorsement key of another maker than the trusted ones gets no challenge', async () => {
  const [{ request }, other] = [await sound, await testRequest()];
  await refuses(request, trusting(other.tpm.root), /is not issued by "CN=test TPM root"/);
  await refuses({ ...request, endorsementKeys: [] }, trusting(other.tpm.root), /nobody vouches/);
  const both = { ...request, endorsementKeys: [...request.endorsementKeys, ...other.request.endorsementKeys] };
  const issuers = [...request.issuers, ...other.request.issuers];
  const { challenge } = await makeChallenge({ ...both, issuers }, trusting(other.tpm.root));
  const [{ publicArea } = assert.fail()] = other.request.endorsementKeys;
  assert.deepEqual(challenge.endorsementKeyName, nameOf(publicArea));
});

test('the certificate of another endorsement key vouches for nothing', async () => {
  const [{ request, tpm }, other] = [await sound, await testRequest()];
  const [{ certificate } = assert.fail()] = request.endorsementKeys;
  const [{ publicArea } = assert.fail()] = other.request.endorsementKeys;
  const mixed = { ...request, endorsementKeys: [{ certificate, publicArea }] };
  await refuses(mixed, trusting(tpm.root), /certificate is one of another key/);
});

const badCertificates: [string, TpmOptions, RegExp][] = [
  ['of a CA', { ekCertificate: { ca: true } }, /certificate is one of a CA/],
  [
    'without the purpose of an endorsement key',
    { ekPurposes: [] },
    /does not say that it is one of an endorsement key/,
  ],
  ['for attestation keys', { ekPurposes: [3] }, /extended key usage is another/],
  ['of a key that signs', { ekCertificate: { keyUsage: ['digitalSignature'] } }, /not for encryption/],
  ['that has expired', { ekCertificate: { notAfter: AT - 1 } }, /expired/],
  ['that names no TPM', { device: null }, /does not name the maker and model/],
];
for (const [what, options, said] of badCertificates) {
  test(`an endorsement certificate ${what} is refused`, async () => {
    const { request, tpm } = await testRequest(options);
    await refuses(request, trusting(tpm.root), said);
  });
}

test('an endorsement certificate whose chain is signed with SHA-1 is refused', async () => {
  const { request, tpm } = await sound;
  const [{ publicArea } = assert.fail()] = request.endorsementKeys;
  const keys = await newKeyPair('rsa2048-sha1');
  const issuer = await issueCertificate({ subject: 'CN=SHA-1 CA', keys, issuer: tpm.rootCertificate, ca: true });
  const purpose = { oid: '2.5.29.37', critical: false, value: Uint8Array.of(0x30, 7, 6, 5, 0x67, 0x81, 5, 8, 1) };
  const { endorsement } = await makeChallenge(request, trusting(tpm.root));
  const ek = await issueCertificate({
    subject: 'CN=weak EK',
    keys: { ...keys, spki: endorsement.certificate.spki },
    issuer,
    keyUsage: ['keyAgreement'],
    extensions: [purpose, ...deviceName({ manufacturer: 'id:54455354', model: 'test TPM' })],
  });
  const weak = { ...request, endorsementKeys: [{ certificate: ek.der, publicArea }], issuers: [issuer.der] };
  await refuses(weak, trusting(tpm.root), /SHA-1/);
});

test('an endorsement key that is no point of its curve gets no secret', async () => {
  const keys = await newKeyPair('p256');
  const spki = new Uint8Array(keys.spki.with(-1, (keys.spki.at(-1) ?? 0) ^ 1));
  const { request, tpm } = await testRequest({ ekCertificate: { keys: { ...keys, spki } } });
  await refuses(request, trusting(tpm.root), /not on its curve/);
});

const badAreas: [string, AreaFields, RegExp][] = [
  ['is not restricted', { attributes: '000200b2' }, /not: restricted/],
  ['does not decrypt', { attributes: '000100b2' }, /not: decrypt/],
  ['signs too', { attributes: '000700b2' }, /not: not sign/],
  ['may leave its TPM', { attributes: '000300b0' }, /not: fixedTPM/],
  ['may be moved to another parent', { attributes: '000300a2' }, /not: fixedParent/],
  ['was made elsewhere', { attributes: '00030092' }, /not: sensitiveDataOrigin/],
  ['is named by SHA-1', { nameAlgorithm: '0004' }, /hash algorithm 0x4/],
];
for (const [what, fields, said] of badAreas) {
  test(`an endorsement key that ${what} is refused`, async () => {
    const { request, tpm } = await testRequest({}, fields);
    await refuses(request, trusting(tpm.root), said);
  });
}

const badAttestationKeys: [string, number, RegExp][] = [
  ['is not restricted', AK_ATTRIBUTES & ~RESTRICTED, /not: restricted/],
  ['may leave its TPM', AK_ATTRIBUTES & ~FIXED_TPM, /not: fixedTPM/],
  ['decrypts too', AK_ATTRIBUTES | DECRYPT, /not: not decrypt/],
  ['was made elsewhere', AK_ATTRIBUTES & ~SENSITIVE_DATA_ORIGIN, /not: sensitiveDataOrigin/],
];
for (const [what, attributes, said] of badAttestationKeys) {
  test(`an attestation key that ${what} is refused`, async () => {
    const { request, tpm } = await testRequest({ attributes });
    await refuses(request, trusting(tpm.root), said);
  });
}

test('public areas and certificates are what they should be, to the byte', async () => {
  const { request, tpm } = await sound;
  const [{ certificate, publicArea } = assert.fail()] = request.endorsementKeys;
  const sized = (area: Uint8Array) => Uint8Array.of(0, area.length, ...area);
  const withKey = (each: Partial<EnrolmentRequest['endorsementKeys'][number]>) => ({
    ...request,
    endorsementKeys: [{ certificate, publicArea, ...each }],
  });
  const given = trusting(tpm.root);
  await refuses({ ...request, attestationKey: sized(request.attestationKey) }, given, /attestation key has its size/);
  await refuses(withKey({ publicArea: sized(publicArea) }), given, /endorsement key has its size/);
  await refuses({ ...request, attestationKey: publicArea }, given, /attestation key cannot be read/);
  await refuses(withKey({ publicArea: request.attestationKey }), given, /endorsement key cannot be read/);
  await refuses(
    withKey({ certificate: certificate.slice(1) }),
    given,
    /certificate of an endorsement key cannot be read/,
  );
  await refuses({ ...request, issuers: [new Uint8Array(3)] }, given, /certificate of an issuer cannot be read/);
  const weak = request.attestationKey.slice();
  weak.set([0, 4], 14);
  await refuses({ ...request, attestationKey: weak }, given, /SHA-1/);
});

test('a software TPM is called one', async () => {
  const { request, tpm } = await testRequest({ device: { manufacturer: 'id:00001014', model: 'swtpm' } });
  assert.equal((await makeChallenge(request, trusting(tpm.root))).endorsement.software, true);
});

test('whatever a request holds, it is challenged or refused', async () => {
  const { request, tpm } = await sound;
  const [{ certificate, publicArea } = assert.fail()] = request.endorsementKeys;
  const edit = fc.tuple(fc.nat(), fc.nat(255));
  const edited = (bytes: Uint8Array<ArrayBuffer>, edits: [number, number][]) => {
    const copy = bytes.slice();
    for (const [at, value] of edits) copy[at % copy.length] = value;
    return copy;
  };
  const edits = fc.array(edit, { maxLength: 2 });
  await fc.assert(
    fc.asyncProperty(edits, edits, edits, edits, async (ak, ek, ekCertificate, issuer) => {
      const altered = {
        machine: 'node-1',
        attestationKey: edited(request.attestationKey, ak),
        endorsementKeys: [{ certificate: edited(certificate, ekCertificate), publicArea: edited(publicArea, ek) }],
        issuers: [edited(tpm.issuer.der, issuer)],
      };
      try {
        await makeChallenge(altered, trusting(tpm.root));
      } catch (error) {
        assert.ok(error instanceof GatewayError, `${encodeHex(altered.attestationKey)}: ${String(error)}`);
        assert.equal(error.code, 'ENROLMENT_REFUSED');
      }
    }),
    { numRuns: 300 },
  );
});
