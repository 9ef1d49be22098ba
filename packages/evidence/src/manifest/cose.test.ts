import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tagged } from 'cborg';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { sha256 } from '../crypto/sha256.ts';
import { canonicalManifest } from '../json/manifest-form.ts';
import {
  cbor,
  type EnvelopeParts,
  ed25519Signer,
  envelopeParts,
  mlDsaSigner,
  signCose,
  signCoseBy,
  signParts,
  trusting,
  versionTwo,
} from '../testing/manifest.ts';
import { verifyManifest } from './verify.ts';

const signer = await ed25519Signer();
const context = trusting(signer);

/** The verdict on an envelope that is signed as it stands, so that nothing but the change can be wrong with it. */
async function signed(change: (parts: EnvelopeParts) => void): Promise<{ result: string; summary: string }> {
  const parts = envelopeParts(versionTwo(), signer);
  change(parts);
  return verifyManifest(await signParts(parts, signer), context);
}

test('each part of an envelope that is not as it has to be is refused, although the signature is right', async () => {
  const changes: Record<string, (parts: EnvelopeParts) => void> = {
    'no typ': ({ header }) => header.delete(16),
    'other typ': ({ header }) => header.set(16, 'application/vnd.agent-manifest+cose'),
    'typ as number': ({ header }) => header.set(16, 1),
    'no content type': ({ header }) => header.delete(3),
    'other content type': ({ header }) => header.set(3, 'application/json'),
    crit: ({ header }) => header.set(2, [99]),
    'empty crit': ({ header }) => header.set(2, []),
    'crit null': ({ header }) => header.set(2, null),
    'no alg': ({ header }) => header.delete(1),
    'alg as text': ({ header }) => header.set(1, 'EdDSA'),
    'unknown alg': ({ header }) => header.set(1, -7),
    'ML-DSA-65 over an Ed25519 key': ({ header }) => header.set(1, -49),
    'no kid': ({ header }) => header.delete(4),
    'kid as text': ({ header }) => header.set(4, signer.key.id),
    'another kid': ({ header }) => header.set(4, sha256(new Uint8Array())),
    'unprotected alg': ({ unprotected }) => unprotected.set(1, -19),
    'payload not UTF-8': (parts) => {
      parts.payload = Uint8Array.of(0x7b, 0xff, 0x7d);
    },
    'payload an array': (parts) => {
      parts.payload = encodeUtf8('[]');
    },
    'payload with NaN': (parts) => {
      parts.payload = encodeUtf8(canonicalManifest(versionTwo()).replace('{', '{"attestation":NaN,'));
    },
    'payload with Infinity': (parts) => {
      parts.payload = encodeUtf8(canonicalManifest(versionTwo()).replace('{', '{"attestation":-Infinity,'));
    },
    'payload with a name twice': (parts) => {
      parts.payload = encodeUtf8(canonicalManifest(versionTwo()).replace('{', '{"issuer":"spiffe://a/b",'));
    },
    'payload with a name twice by escape': (parts) => {
      parts.payload = encodeUtf8(canonicalManifest(versionTwo()).replace('{', '{"\\u0069ssuer":"spiffe://a/b",'));
    },
    'payload too deep': (parts) => {
      const deep = `{"attestation":${'['.repeat(70)}${']'.repeat(70)},`;
      parts.payload = encodeUtf8(canonicalManifest(versionTwo()).replace('{', deep));
    },
    'payload with a byte order mark': (parts) => {
      parts.payload = encodeUtf8(`\ufeff${canonicalManifest(versionTwo())}`);
    },
    'signature inside': (parts) => {
      parts.payload = encodeUtf8(canonicalManifest(versionTwo({ signature: {} })));
    },
    'attestation inside': (parts) => {
      parts.payload = encodeUtf8(canonicalManifest(versionTwo({ attestation: {} })));
    },
    'unknown member': (parts) => {
      parts.payload = encodeUtf8(canonicalManifest(versionTwo({ extra: 1 })));
    },
    'tag of COSE_Sign': (parts) => {
      parts.tag = 98;
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    const { result, summary } = await signed(change);
    assert.equal(result, 'MISMATCH', `${name}: ${summary}`);
  }
  assert.equal((await signed(() => {})).result, 'VALID');
  assert.equal((await signed(({ header }) => header.set(15, new Map([[1, 'x']])))).result, 'VALID', 'known to others');
});

test('an envelope is exactly one tagged array of four, with byte strings and maps where they belong', async () => {
  const good = await signCose(versionTwo(), signer);
  const { header, payload } = envelopeParts(versionTwo(), signer);
  const own = cbor(header);
  const signature = await signer.sign(cbor(['Signature1', own, new Uint8Array(), payload]));
  const wrong: Record<string, Uint8Array> = {
    untagged: good.subarray(1),
    'another tag': cbor(new Tagged(16, [own, new Map(), payload, signature])),
    'tag in tag': cbor(new Tagged(18, new Tagged(18, [own, new Map(), payload, signature]))),
    'a map': cbor(new Tagged(18, new Map())),
    'three elements': cbor(new Tagged(18, [own, payload, signature])),
    'five elements': cbor(new Tagged(18, [own, new Map(), payload, signature, 0])),
    'bytes after it': Uint8Array.of(...good, 0),
    'the same again after it': Uint8Array.of(...good, ...good),
    'nil payload': cbor(new Tagged(18, [own, new Map(), null, signature])),
    'text payload': cbor(new Tagged(18, [own, new Map(), 'x', signature])),
    'protected map': cbor(new Tagged(18, [header, new Map(), payload, signature])),
    'empty protected': cbor(new Tagged(18, [new Uint8Array(), new Map(), payload, signature])),
    'protected array': cbor(new Tagged(18, [cbor([]), new Map(), payload, signature])),
    'protected garbage': cbor(new Tagged(18, [Uint8Array.of(0xff), new Map(), payload, signature])),
    'unprotected nil': cbor(new Tagged(18, [own, null, payload, signature])),
    'unprotected array': cbor(new Tagged(18, [own, [], payload, signature])),
    'signature as text': cbor(new Tagged(18, [own, new Map(), payload, 'x'])),
    'no signature': cbor(new Tagged(18, [own, new Map(), payload, null])),
    'no signers': cbor(new Tagged(98, [own, new Map(), payload, []])),
    'signer of two': cbor(new Tagged(98, [own, new Map(), payload, [[own, signature]]])),
    'signer as bytes': cbor(new Tagged(98, [own, new Map(), payload, signature])),
    // Taken for bytes, these would be what is signed.
    'payload as numbers': cbor(new Tagged(18, [own, new Map(), [...payload], signature])),
    'protected as numbers': cbor(new Tagged(18, [[...own], new Map(), payload, signature])),
    'signature as numbers': cbor(new Tagged(18, [own, new Map(), payload, [...signature]])),
    truncated: good.subarray(0, -1),
    'a longer tag': Uint8Array.of(0xd8, 18, ...good.subarray(1)),
    'a longer length': Uint8Array.of(0xd2, 0x98, 4, ...good.subarray(2)),
    'indefinite length': Uint8Array.of(0xd2, 0x9f, ...good.subarray(2), 0xff),
    'a label twice': cborWithLabelTwice(own, payload, signature),
    'an undefined value': cbor(new Tagged(18, [own, new Map([[9, undefined]]), payload, signature])),
    'more than a mebibyte': cbor(
      new Tagged(18, [own, new Map([[9, new Uint8Array(1024 * 1024)]]), payload, signature]),
    ),
  };
  for (const [name, bytes] of Object.entries(wrong)) {
    const { result, summary } = await verifyManifest(bytes, context);
    assert.equal(result, 'MISMATCH', `${name}: ${summary}`);
    if (name === 'untagged') assert.match(summary, /no COSE tag/);
  }
});

test('each signer keeps the rules of headers', async () => {
  const wrong: Record<string, (header: Map<unknown, unknown>, unprotected: Map<unknown, unknown>) => void> = {
    crit: (header) => header.set(2, [99]),
    'unprotected alg': (_, unprotected) => unprotected.set(1, -19),
    'no alg': (header) => header.delete(1),
    'alg as text': (header) => header.set(1, 'EdDSA'),
    'no kid': (header) => header.delete(4),
    'kid as text': (header) => header.set(4, 'x'),
  };
  for (const [name, change] of Object.entries(wrong)) {
    const { result, summary } = await verifyManifest(await signCoseBy(versionTwo(), [signer], change), context);
    assert.equal(result, 'MISMATCH', name);
    assert.match(summary, /signer 0 (marks|has)/, name);
  }
  assert.equal((await verifyManifest(await signCoseBy(versionTwo(), [signer]), context)).result, 'VALID');
});

/** The unprotected header says two things under one label. */
function cborWithLabelTwice(...[own, payload, signature]: Uint8Array[]): Uint8Array {
  return Uint8Array.of(0xd2, 0x84, ...cbor(own), 0xa2, 9, 1, 9, 2, ...cbor(payload), ...cbor(signature));
}

test('a protected header has one encoding: other orders, longer lengths and repeated labels are refused', async () => {
  const { header, payload } = envelopeParts(versionTwo(), signer);
  const own = cbor(header);
  const entries = [...own.subarray(1)];
  // 1: alg comes first in the deterministic order; 20 is the longer way to write the label 4.
  const variants: Record<string, Uint8Array<ArrayBuffer>> = {
    'another order': Uint8Array.of(own[0] ?? 0, ...entries.slice(2), ...entries.slice(0, 2)),
    'a longer length': Uint8Array.of(0xb8, 4, ...entries),
    'indefinite length': Uint8Array.of(0xbf, ...entries, 0xff),
    'alg twice': Uint8Array.of(0xa5, ...entries.slice(0, 2), ...entries),
    'bytes after it': Uint8Array.of(...own, 0),
    'a name that is an array': Uint8Array.of(0xa5, ...entries, 0x80, 0x00),
    'a name that is a byte string': Uint8Array.of(0xa5, ...entries, 0x41, 0x00, 0x00),
  };
  for (const [name, bytes] of Object.entries(variants)) {
    const signature = await signer.sign(cbor(['Signature1', bytes, new Uint8Array(), payload]));
    const { result, summary } = await verifyManifest(
      cbor(new Tagged(18, [bytes, new Map(), payload, signature])),
      context,
    );
    assert.equal(result, 'MISMATCH', `${name}: ${summary}`);
    assert.match(summary, /protected header|labels|CBOR/, name);
  }
});

test('a payload of another version is incompatible, whatever its signers look like', async () => {
  for (const version of ['0.1', '0.3', '1', 2, null]) {
    const parts = envelopeParts(versionTwo({ version }), signer);
    parts.header.delete(1);
    const report = await verifyManifest(await signParts(parts, signer), context);
    assert.equal(report.result, 'INCOMPATIBLE_VERSION', String(version));
  }
});

test('what is attached is read last, refused where it has no form, and reported where it is not checked', async () => {
  const approval = { approved_at: '2026-09-01T00:00:00Z', approved_scope: { approval_duration_seconds: 1e8 } };
  const maps = (value: unknown): unknown =>
    typeof value === 'object' && value?.constructor === Object
      ? new Map(Object.entries(value).map(([key, item]) => [key, maps(item)]))
      : Array.isArray(value)
        ? value.map(maps)
        : value;
  const attach = async (
    label: unknown,
    value: unknown,
    changes = {},
  ): Promise<Awaited<ReturnType<typeof verifyManifest>>> => {
    const parts = envelopeParts(versionTwo(changes), signer);
    parts.unprotected.set(label, maps(value));
    return verifyManifest(await signParts(parts, signer), context);
  };
  const needed = { hitl_record: { required: true } };
  assert.equal((await attach('agent-manifest-approvals', [approval], needed)).hitl, 'APPROVED');
  assert.equal((await attach('agent-manifest-approvals', [], needed)).hitl, 'MISSING');
  assert.equal((await attach('agent-manifest-approvals', 'yes', needed)).result, 'MISMATCH');
  assert.equal((await attach('agent-manifest-approvals', [{ ...approval, extra: 1 }], needed)).result, 'MISMATCH');
  const bytes = await attach('agent-manifest-approvals', [Uint8Array.of(1)], needed);
  assert.deepEqual([bytes.result, bytes.signature_verified], ['MISMATCH', true]);
  assert.match(bytes.summary, /JSON has no form/);
  const numbered = await attach('agent-manifest-approvals', [new Map([[1, 'x']])], needed);
  assert.match(numbered.summary, /name that is not text/);
  const logged = await attach(394, [Uint8Array.of(1)]);
  assert.deepEqual(
    [logged.result, logged.checks.find(({ id }) => id === 'manifest.receipts')?.outcome],
    ['VALID', 'not checked'],
  );
  const report = await verifyManifest(await signCose(versionTwo(), signer), context);
  const named = { manifest_hash_in_report: report.facts?.manifest_hash };
  assert.equal((await attach('agent-manifest-attestation', named)).attestation_verified, true);
  const other = { manifest_hash_in_report: `sha256:${'0'.repeat(64)}` };
  assert.equal((await attach('agent-manifest-attestation', other)).result, 'MISMATCH');
  assert.equal((await attach('agent-manifest-attestation', { manifest_hash_in_report: 1 })).result, 'MISMATCH');
  assert.equal((await attach('agent-manifest-attestation', 'x')).result, 'MISMATCH');
});

test('an envelope that nests without end is refused before the stack is used up', async () => {
  for (const opener of [0x81, 0xd2, 0xa1]) {
    const bytes = new Uint8Array(500_000).fill(opener);
    const { result, summary } = await verifyManifest(bytes, context);
    assert.equal(result, 'MISMATCH', summary);
  }
  const nested = Uint8Array.of(0xd2, 0x84, 0x40, 0xa1, 0x00, ...new Uint8Array(40).fill(0x81), 0x00, 0x40, 0x40);
  assert.match((await verifyManifest(nested, context)).summary, /nests deeper/);
});

test('an ML-DSA-65 envelope verifies under its key', async () => {
  const pq = mlDsaSigner();
  const envelope = await signCose(versionTwo({ crypto_profile: 'post-quantum' }), pq);
  const report = await verifyManifest(envelope, trusting(pq));
  assert.equal(report.result, 'VALID', report.summary);
  const last = envelope.slice();
  last[last.length - 1] = (last.at(-1) ?? 0) ^ 1;
  assert.equal((await verifyManifest(last, trusting(pq))).result, 'MISMATCH');
});
