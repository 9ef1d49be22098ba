import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import {
  cbor,
  ed25519Signer,
  jsonBytes,
  signCose,
  signCoseBy,
  signJson,
  trusting,
  versionTwo,
  wholeManifest,
} from '../testing/manifest.ts';
import { decodeCbor } from './cbor.ts';
import { readManifestKeys } from './keys.ts';
import { readManifest } from './read.ts';
import { readRevocations } from './revocation.ts';
import { manifestScope } from './scope.ts';
import { verifyManifest } from './verify.ts';

const signer = await ed25519Signer();
const hop = {
  hop: 0,
  principal_id: 'spiffe://trust.example/signing-authority',
  scope_grant: { tools: ['a'] },
  delegated_at: '2026-06-01T00:00:00Z',
  delegation_signature: 'x',
};
const approval = {
  approver_id: 'a',
  approved_at: '2026-06-01T00:00:00Z',
  approved_scope: { approval_duration_seconds: 1 },
  approval_signature: 'x',
};
const rich = wholeManifest({
  delegation_chain: [hop],
  hitl_record: { required: true, approvals: [approval] },
  attestation: { manifest_hash_in_report: 'x' },
});
const CONTEXT = {
  ...trusting(signer),
  delegationKeys: { [hop.principal_id]: 'AAAA' },
  approverKeys: { a: 'AAAA' },
  revocations: [
    {
      manifest_id: String(rich.manifest_id).replace('5c', '5d'),
      revoked_at: '2026-06-01T00:00:00Z',
      reason: '',
      revoked_by: '',
    },
  ],
  enforceHitl: true,
  enforceAttestation: true,
  conformanceLevel: 2,
};
const genuine = [
  jsonBytes(await signJson(wholeManifest(), signer)),
  jsonBytes(await signJson(rich, signer)),
  await signCose(versionTwo(), signer),
  await signCoseBy(versionTwo(), [signer]),
];

async function answers(bytes: Uint8Array): Promise<void> {
  const report = await verifyManifest(bytes, CONTEXT);
  assert.ok(report.checks.length > 0);
  assert.ok(report.summary.length > 0);
  assert.notEqual(report.result, 'VALID');
}

test('any bytes give a verdict, never an exception', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), answers), { numRuns: 1000 });
  const framed = fc.uint8Array({ maxLength: 200 }).map((bytes) => Uint8Array.of(0xd2, 0x84, ...bytes));
  await fc.assert(fc.asyncProperty(framed, answers), { numRuns: 1000 });
});

test('genuine manifests with bytes changed, cut out or put in give a verdict', async () => {
  const edit = fc.record({ at: fc.nat(), remove: fc.nat({ max: 8 }), insert: fc.uint8Array({ maxLength: 8 }) });
  const edited = fc.tuple(fc.constantFrom(...genuine), fc.array(edit, { minLength: 1, maxLength: 4 }));
  await fc.assert(
    fc.asyncProperty(edited, async ([bytes, edits]) => {
      let changed: Uint8Array = bytes;
      for (const { at, remove, insert } of edits) {
        const start = at % changed.length;
        changed = Uint8Array.of(...changed.subarray(0, start), ...insert, ...changed.subarray(start + remove));
      }
      const report = await verifyManifest(changed, CONTEXT);
      assert.ok(report.summary.length > 0);
    }),
    { numRuns: 1500 },
  );
});

test('documents with any value in any place give a verdict', async () => {
  const names = [...Object.keys(rich), 'signature', '__proto__', 'constructor'];
  const value = fc.oneof(
    { arbitrary: fc.jsonValue({ maxDepth: 4 }), weight: 3 },
    {
      arbitrary: fc.constantFrom(
        '',
        '\u0000',
        'e\u0301',
        '__proto__',
        'spiffe://a/b',
        '2026-06-01T00:00:00Z',
        1e300,
        -0,
        null,
      ),
      weight: 1,
    },
  );
  const changes = fc.array(fc.tuple(fc.constantFrom(...names), value), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(changes, fc.boolean(), async (members, deep) => {
      const document: Record<string, unknown> = {
        ...rich,
        signature: { algorithm: 'Ed25519', key_id: signer.key.id, signature_value: 'AA' },
      };
      for (const [name, item] of members) {
        const old = document[name];
        const nested = deep && typeof old === 'object' && old !== null && !Array.isArray(old);
        Object.defineProperty(document, name, {
          value: nested ? { ...old, [name]: item, hash: item } : item,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      const text = JSON.stringify(document);
      if (text.isWellFormed()) await answers(encodeUtf8(text));
    }),
    { numRuns: 1500 },
  );
});

test('any CBOR value in the place of an envelope gives a verdict', async () => {
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.integer(),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.string(),
      fc.uint8Array({ maxLength: 8 }),
      fc.constantFrom(null, true, false, 0.5),
      fc.array(tie('value'), { maxLength: 4 }),
      fc
        .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie('value')), { maxLength: 4 })
        .map((entries) => new Map(entries)),
    ),
  })).value;
  const tagged = fc.tuple(fc.constantFrom(0xd2, 0xd8), value).map(([head, inner]) => {
    const bytes = cbor(inner);
    return head === 0xd2 ? Uint8Array.of(0xd2, ...bytes) : Uint8Array.of(0xd8, 98, ...bytes);
  });
  await fc.assert(fc.asyncProperty(tagged, answers), { numRuns: 1000 });
});

test('what is not strict CBOR is refused with a FormatError and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        decodeCbor(bytes, 'it', [18]);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});

test('files of keys and of revocations are refused with a FormatError and nothing else', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((value) => JSON.stringify({ keys: [value], public_key_base64url: value })),
  );
  fc.assert(
    fc.property(text, (input) => {
      for (const read of [() => readManifestKeys(input, 'it'), () => readRevocations(input)]) {
        try {
          read();
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('the scope of any document is read, or there is none: names are texts, and times are numbers', () => {
  const member = fc.constantFrom('tools', 'tool_id', 'tool_name', 'scope_grant', 'ttl_seconds', 'delegated_at');
  const value = fc.constantFrom('null', '5', '"x"', '[]', '{}', '[null]', '["a",1]', '{"tools":[{}]}');
  const listed = JSON.stringify({
    ...rich,
    artifacts: { tool_manifest: { tools: [{ tool_id: 'a', tool_name: 'b' }] } },
  });
  fc.assert(
    fc.property(member, value, (name, given) => {
      const bytes = encodeUtf8(
        listed.replace(
          new RegExp(`"${name}":("[^"]*"|\\d+|\\[\\{[^}]*\\}\\]|\\{[^}]*\\}|\\[[^\\]]*\\])`),
          `"${name}":${given}`,
        ),
      );
      const scope = manifestScope(readManifest(bytes).document);
      if (scope === null) return;
      for (const { id, name: said } of scope.tools)
        for (const text of [id, said]) assert.ok(text === null || typeof text === 'string');
      assert.ok(scope.grants.flat().every((text) => typeof text === 'string'));
      assert.ok(scope.delegatedUntil === null || Number.isFinite(scope.delegatedUntil));
    }),
    { numRuns: 100 },
  );
});
