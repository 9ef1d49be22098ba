import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { FormatError, type LiveDocument, readLiveDocument, writeLiveDocument, writeLiveRecord } from '../index.ts';
import { answer, quoteFor } from '../testing/live.ts';
import { newKey } from '../testing/session.ts';
import { makeTpm } from '../testing/tpm.ts';
import { LIVE_MEDIA_TYPE } from './document.ts';

const made = {} as { document: LiveDocument; text: string };

before(async () => {
  const tpm = await makeTpm();
  made.document = await answer(await newKey(), undefined, async (bytes) => quoteFor(tpm, bytes));
  made.text = writeLiveDocument(made.document);
});

const refused = (input: unknown, message: RegExp): void => {
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  assert.throws(
    () => readLiveDocument(text),
    (error) => error instanceof FormatError && message.test(error.message),
  );
};

test('a document has the claims of EAT where they exist, and is read back as it was written', () => {
  const { eat_profile, eat_nonce, iat, cnf, cmcp, ...rest } = JSON.parse(made.text);
  assert.deepEqual(rest, {});
  assert.equal(eat_profile, 'tag:cmcp.dev,2026:live-attestation-1');
  assert.equal(eat_nonce, made.document.statement.nonce);
  assert.equal(iat, made.document.statement.iat);
  assert.deepEqual(cnf, { jwk: { kty: 'OKP', crv: 'Ed25519', x: made.document.key } });
  assert.deepEqual(Object.keys(cmcp.evidence.files).sort(), ['ak_chain', 'attest', 'ek_chain', 'pcrs', 'signature']);
  assert.deepEqual(readLiveDocument(made.text), made.document);
});

test('the CMW record is a media type, base64url and the indicator for evidence (RFC 9999)', () => {
  const record = JSON.parse(writeLiveRecord(made.document));
  assert.deepEqual(record, [LIVE_MEDIA_TYPE, Buffer.from(made.text).toString('base64url'), 4]);
  assert.deepEqual(readLiveDocument(JSON.stringify(record)), made.document);
  assert.deepEqual(readLiveDocument(JSON.stringify(record.slice(0, 2))), made.document);
  refused([LIVE_MEDIA_TYPE], /two or three members/);
  refused([...record, 'more'], /two or three members/);
  refused(['application/eat-ucs+json', record[1], 4], /holds no application\/eat-ucs\+json; eat_profile/);
  refused([LIVE_MEDIA_TYPE, record[1], 8], /does not say that it holds evidence/);
  refused([LIVE_MEDIA_TYPE, 5, 4], /not base64url/);
  refused([LIVE_MEDIA_TYPE, `${record[1]}=`, 4], /not base64url/);
  refused([LIVE_MEDIA_TYPE, Buffer.from(JSON.stringify(record)).toString('base64url'), 4], /document is not an object/);
});

test('whatever a document says of roots, pins or challenges is refused with it', () => {
  for (const role of ['ak', 'test_root', 'nonce', 'report_data', 'cert_chain', '__proto__', 'constructor']) {
    const { cmcp, ...rest } = JSON.parse(made.text);
    const files = Object.fromEntries([...Object.entries(cmcp.evidence.files), [role, 'AAAA']]);
    refused({ ...rest, cmcp: { ...cmcp, evidence: { kind: 'tpm', files } } }, /has no role/);
  }
});

test('members that are missing, unknown or of another form are refused by name', () => {
  const changed = (change: (document: Record<string, Record<string, unknown>>) => void): unknown => {
    const document = JSON.parse(made.text);
    change(document);
    return document;
  };
  refused('[]', /two or three members/);
  refused('{"a":1,"a":1}', /not strict JSON/);
  refused('null', /document is not an object/);
  refused(
    changed((d) => Object.assign(d, { more: 1 })),
    /a member that is not allowed: "more"/,
  );
  refused(
    changed((d) => Object.assign(d, { eat_profile: 'tag:x' })),
    /eat_profile/,
  );
  refused(
    changed((d) => Object.assign(d, { eat_nonce: 'A'.repeat(21) })),
    /eat_nonce/,
  );
  refused(
    changed((d) => Object.assign(d, { eat_nonce: 'A'.repeat(85) })),
    /eat_nonce is not base64url of 16 to 64/,
  );
  refused(
    changed((d) => Object.assign(d, { eat_nonce: `${'A'.repeat(42)}B` })),
    /eat_nonce/,
  );
  refused(
    changed((d) => Object.assign(d, { iat: 1.5 })),
    /iat/,
  );
  refused(
    changed((d) => Object.assign(d, { cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) } } })),
    /jwk/,
  );
  for (const name of ['tls_spki', 'measurement', 'policy_hash', 'catalog_hash', 'config_hash', 'audit_root', 'mode']) {
    refused(
      changed((d) => Object.assign(d.cmcp ?? {}, { [name]: 'x' })),
      new RegExp(name),
    );
    refused(
      changed((d) => delete d.cmcp?.[name]),
      new RegExp(name),
    );
  }
  refused(
    changed((d) => Object.assign(d.cmcp ?? {}, { launch_level: 'ML4' })),
    /launch_level/,
  );
  refused(
    changed((d) => Object.assign(d.cmcp ?? {}, { signature: 'x' })),
    /signature/,
  );
  refused(
    changed((d) => Object.assign(d.cmcp ?? {}, { evidence: { kind: 'nvidia', files: {} } })),
    /kind/,
  );
  refused(
    changed((d) => Object.assign(d.cmcp ?? {}, { evidence: { kind: 'tpm', files: { pcrs: '!' } } })),
    /pcrs is not/,
  );
});

test('the parser answers any text with a document or with its one error', () => {
  const total = (text: string): void => {
    try {
      readLiveDocument(text);
    } catch (error) {
      assert.ok(error instanceof FormatError, String(error));
    }
  };
  fc.assert(fc.property(fc.string({ maxLength: 200 }), total), { numRuns: 300 });
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), (text) => total(`["${LIVE_MEDIA_TYPE.replaceAll('"', '\\"')}",${text}]`)),
    { numRuns: 200 },
  );
  const at = fc.nat(made.text.length - 1);
  fc.assert(
    fc.property(at, at, fc.string({ maxLength: 3 }), (from, to, put) =>
      total(made.text.slice(0, Math.min(from, to)) + put + made.text.slice(Math.max(from, to))),
    ),
    { numRuns: 500 },
  );
});
