import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../errors.ts';
import {
  type EnrolmentAnswer,
  type EnrolmentChallenge,
  type EnrolmentRequest,
  type EnrolmentState,
  readAnswer,
  readChallenge,
  readRequest,
  readState,
  writeAnswer,
  writeChallenge,
  writeRequest,
  writeState,
} from './documents.ts';

const bytes = (length: number, value = 7) => new Uint8Array(length).fill(value);
const ID = '0123456789abcdef0123456789abcdef';

const request: EnrolmentRequest = {
  machine: 'node-1.example',
  attestationKey: bytes(90),
  endorsementKeys: [{ certificate: bytes(700), publicArea: bytes(122) }],
  issuers: [bytes(500)],
};
const challenge: EnrolmentChallenge = {
  id: ID,
  attestationKeyName: bytes(34),
  endorsementKeyName: bytes(50),
  credential: { idObject: bytes(68), encryptedSecret: bytes(100) },
  expires: 1_800_000_000,
};
const answer: EnrolmentAnswer = { id: ID, secret: bytes(32) };
const state: EnrolmentState = {
  id: ID,
  secretDigest: bytes(32),
  expires: 1_800_000_000,
  machine: 'node-1.example',
  attestationKey: bytes(90),
  device: { manufacturer: 'id:54455354', model: 'a "model"', version: null },
};

const documents: Record<string, { text: string; read: (text: string) => unknown; value: unknown }> = {
  request: { text: writeRequest(request), read: (text) => readRequest(text, 'request.json'), value: request },
  challenge: {
    text: writeChallenge(challenge),
    read: (text) => readChallenge(text, 'challenge.json'),
    value: challenge,
  },
  answer: { text: writeAnswer(answer), read: (text) => readAnswer(text, 'answer.json'), value: answer },
  state: { text: writeState(state), read: (text) => readState(text, 'state.json'), value: state },
};

function refuses(read: (text: string) => unknown, text: string, said: RegExp): void {
  assert.throws(
    () => read(text),
    (error) => error instanceof GatewayError && error.code === 'ENROLMENT_REFUSED' && said.test(error.detail),
    `${said} was expected of ${text}`,
  );
}

/** The document with members changed; undefined leaves one out. */
function changed(text: string, members: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(text), ...members });
}

for (const [name, { text, read, value }] of Object.entries(documents)) {
  test(`the ${name} is read as it was written`, () => {
    assert.deepEqual(read(text), value);
  });

  test(`the ${name} is strict: every member, no other, of this version, in one form`, () => {
    for (const member of Object.keys(JSON.parse(text))) {
      refuses(read, changed(text, { [member]: undefined }), /\.json/);
      refuses(read, changed(text, { [member]: [[]] }), /\.json/);
    }
    refuses(read, changed(text, { more: 1 }), /member "more" is not known/);
    refuses(read, changed(text, { 'a\u202eb': 1 }), /member "a\\u\{202e\}b" is not known/);
    refuses(read, text.replace('/1"', '/2"'), /is another document/);
    for (const other of Object.values(documents)) {
      if (other.text !== text) refuses(read, other.text, /is another document/);
    }
    refuses(read, `${text}x`, /not strict JSON/);
    refuses(read, text.replace('{', '{"format":"x",'), /not strict JSON/);
    refuses(read, '[]', /not a JSON object/);
    refuses(read, `${' '.repeat(140_000)}${text}`, /not strict JSON/);
  });

  test(`any text is a ${name} or is refused`, () => {
    const total = (given: string) => {
      try {
        read(given);
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'ENROLMENT_REFUSED', String(error));
      }
    };
    fc.assert(fc.property(fc.string({ maxLength: 60 }), total));
    fc.assert(fc.property(fc.json({ maxDepth: 3 }), total));
    const parsed = JSON.parse(text) as Record<string, unknown>;
    const member = fc.constantFrom(...Object.keys(parsed));
    fc.assert(
      fc.property(member, fc.jsonValue({ maxDepth: 2 }), (key, given) => total(changed(text, { [key]: given }))),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(text.length), fc.string({ maxLength: 3 }), (from, to, insert) =>
        total(text.slice(0, from) + insert + text.slice(to)),
      ),
      { numRuns: 300 },
    );
  });
}

test('sizes and forms of members are bounded', () => {
  const base64 = (length: number) => Buffer.from(bytes(length)).toString('base64');
  const key = { certificate: base64(10), public: base64(10) };
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ['request', { machine: 'a\nb' }, /"machine" .* letters, digits/],
    ['request', { machine: 'CN=a,O=b' }, /"machine"/],
    ['request', { machine: 'a'.repeat(65) }, /"machine"/],
    ['request', { attestation_key: base64(1025) }, /1 to 1024 bytes/],
    ['request', { attestation_key: '' }, /1 to 1024 bytes/],
    ['request', { attestation_key: 'AAA' }, /base64/],
    ['request', { endorsement_keys: [key, key, key, key, key] }, /at most 4/],
    ['request', { endorsement_keys: [{ ...key, more: 1 }] }, /endorsement_keys\[0\]: the member "more"/],
    ['request', { endorsement_keys: [1] }, /endorsement_keys\[0\] is not an object/],
    ['request', { issuers: Array(9).fill({ certificate: base64(1) }) }, /at most 8/],
    ['challenge', { id: ID.toUpperCase() }, /32 hexadecimal digits/],
    ['challenge', { attestation_key_name: '00'.repeat(33) }, /34 to 66 bytes/],
    ['challenge', { attestation_key_name: 'AB'.repeat(34) }, /lower-case hex/],
    ['challenge', { id_object: base64(133) }, /1 to 132 bytes/],
    ['challenge', { encrypted_secret: base64(513) }, /1 to 512 bytes/],
    ['challenge', { expires: -1 }, /seconds since 1970/],
    ['challenge', { expires: 1.5 }, /seconds since 1970/],
    ['answer', { secret: base64(31) }, /32 bytes/],
    ['answer', { secret: base64(33) }, /32 bytes/],
    ['state', { secret_sha256: '00'.repeat(31) }, /32 bytes/],
    ['state', { tpm_model: 5 }, /text, or null/],
  ];
  for (const [name, members, said] of cases) {
    const { text, read } = documents[name] ?? assert.fail();
    refuses(read, changed(text, members), said);
  }
});
