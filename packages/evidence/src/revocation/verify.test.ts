import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeHex } from '../bytes/hex.ts';
import { keyId } from '../claim/key.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import { onEngine } from '../testing/engine.ts';
import {
  altered,
  bitFlips,
  failures,
  newStatementKey,
  open,
  outcomeOf,
  type StatementKey,
  signStatement,
} from '../testing/signed.ts';
import { thumbprintOf } from './key-ids.ts';
import { type RevocationGiven, type RevocationSubject, verifyRevocation } from './verify.ts';

const NOW = 1_790_000_000;
const LOG = 'https://log.example/trace';
const id = (key: StatementKey) => encodeBase64Url(thumbprintOf(key.public));

/** A key of a record, a key that may revoke it, a key that vouches for bundles. */
async function cast(alg: 'ed25519' | 'ES256' | 'ES384' = 'ed25519') {
  const [record, revoker, bundler] = await Promise.all([
    newStatementKey('ed25519'),
    newStatementKey(alg),
    newStatementKey(alg),
  ]);
  const keys = [
    { key: revoker.public, source: 'revoker.jwk' },
    { key: bundler.public, source: 'bundler.jwk' },
  ];
  return { record, revoker, bundler, keys, subject: { key: record.public } as RevocationSubject };
}
type Cast = Awaited<ReturnType<typeof cast>>;

function statement({ record, revoker }: Cast, members: JsonObject = {}): JsonObject {
  return {
    type: 'TraceRevocation/1.0',
    compromised_key_id: id(record),
    last_valid_entry_id: '41',
    log_id: LOG,
    revocation_key_id: id(revoker),
    ...members,
  };
}

function bundle({ bundler }: Cast, statements: JsonObject[], members: JsonObject = {}): JsonObject {
  return {
    type: 'TraceRevocationBundle/1.0',
    log_id: LOG,
    issued_at: NOW - 60,
    valid_until: NOW + 3600,
    statements,
    bundle_key_id: id(bundler),
    ...members,
  };
}

async function ask(who: Cast, signed: JsonObject, given: Partial<RevocationGiven> = {}, subject = who.subject) {
  return verifyRevocation(subject, { bundle: stringifyJson(signed), keys: who.keys, now: NOW, ...given });
}

test('without a bundle no check runs, and the answer says so', async () => {
  const who = await cast();
  const { outcome, checks } = await verifyRevocation(who.subject, { keys: who.keys, now: NOW });
  assert.equal(outcome, 'not-run');
  assert.deepEqual(
    checks.map((check) => [check.id, check.outcome]),
    [['revocation.key', 'not checked']],
  );
  assert.match(checks[0]?.detail ?? '', /no check ran/);
});

for (const alg of ['ed25519', 'ES256', 'ES384'] as const) {
  test(`a current bundle signed with ${alg} clears a key that it does not name, and revokes one that it names [L-21]`, async () => {
    const who = await cast(alg);
    const silent = await ask(who, await signStatement(bundle(who, []), who.bundler));
    assert.equal(silent.outcome, 'clear');
    assert.deepEqual(open(silent.checks), []);
    const named = await signStatement(statement(who), who.revoker);
    const revoked = await ask(who, await signStatement(bundle(who, [named]), who.bundler));
    assert.equal(revoked.outcome, 'revoked');
    assert.deepEqual(failures(revoked.checks), ['revocation.key']);
  });
}

test('a bundle that is not genuine clears nothing: forged it fails, of a key that was not given it is not checked', async () => {
  const who = await cast();
  const stranger = await newStatementKey('ed25519');
  const forged = await ask(who, await signStatement(bundle(who, []), stranger));
  assert.equal(forged.outcome, 'unverified');
  assert.deepEqual(failures(forged.checks), ['revocation.signature']);
  const unknown = await ask(who, await signStatement(bundle(who, []), who.bundler), { keys: [] });
  assert.equal(unknown.outcome, 'unverified');
  assert.deepEqual(failures(unknown.checks), []);
  assert.deepEqual(open(unknown.checks), ['revocation.signature', 'revocation.key']);
});

test('the key decides the algorithm: a signature that names another is not its', async () => {
  const who = await cast('ES256');
  for (const alg of ['ES384', 'ed25519']) {
    const { checks } = await ask(who, await signStatement(bundle(who, []), who.bundler, alg));
    assert.deepEqual(failures(checks), ['revocation.signature']);
  }
  const p521: RevocationGiven['keys'] = [
    {
      key: { kind: 'ec', curve: 'P-521', x: new Uint8Array(66), y: new Uint8Array(66) },
      kid: id(who.bundler),
      source: 'x',
    },
  ];
  const signed = await signStatement(bundle(who, []), who.bundler);
  assert.deepEqual(failures((await ask(who, signed, { keys: p521 })).checks), ['revocation.signature']);
  const rsa: RevocationGiven['keys'] = [
    {
      key: { kind: 'rsa', n: new Uint8Array(256).fill(255), e: Uint8Array.of(1, 0, 1), bits: 2048 },
      kid: id(who.bundler),
      source: 'x',
    },
  ];
  assert.deepEqual(failures((await ask(who, signed, { keys: rsa })).checks), ['revocation.signature']);
});

test('an expired bundle, one of the future, an old one, and no clock leave the key unchecked', async () => {
  const who = await cast();
  const signed = await signStatement(bundle(who, []), who.bundler);
  const outcome = async (given: Partial<RevocationGiven>) => (await ask(who, signed, given)).outcome;
  assert.equal(await outcome({ now: NOW + 3600 }), 'clear');
  assert.equal(await outcome({ now: NOW + 3601 }), 'unverified');
  assert.equal(await outcome({ now: NOW - 360 }), 'clear');
  assert.equal(await outcome({ now: NOW - 361 }), 'unverified');
  assert.equal(await outcome({ maxBundleAgeSeconds: 60 }), 'clear');
  assert.equal(await outcome({ maxBundleAgeSeconds: 59 }), 'unverified');
  assert.equal(await outcome({ now: Number.NaN }), 'unverified');
  const late = await ask(who, signed, { now: NOW + 3601 });
  assert.deepEqual(failures(late.checks), []);
  assert.deepEqual(open(late.checks), ['revocation.current', 'revocation.key']);
  const timeless = await verifyRevocation(who.subject, { bundle: stringifyJson(signed), keys: who.keys });
  assert.equal(timeless.outcome, 'unverified');
  assert.equal(timeless.checks.find((check) => check.id === 'revocation.current')?.remedy, '--at TIME');
});

test('a revocation outlives the bundle that carries it', async () => {
  const who = await cast();
  const named = await signStatement(statement(who), who.revoker);
  const signed = await signStatement(bundle(who, [named]), who.bundler);
  assert.equal((await ask(who, signed, { now: NOW + 1e6 })).outcome, 'revoked');
  assert.equal((await ask(who, signed, { now: NOW - 1e6 })).outcome, 'revoked');
  // The statement is signed itself, so that it counts from a bundle of whoever it may be.
  const [revoker] = who.keys;
  assert.equal((await ask(who, signed, { keys: revoker === undefined ? [] : [revoker] })).outcome, 'revoked');
  // From a bundle of nobody, a statement of nobody counts for nothing.
  assert.equal((await ask(who, signed, { keys: [] })).outcome, 'unverified');
});

test('a record logged up to the last valid entry stands, by number and not by text', async () => {
  const who = await cast();
  const named = await signStatement(
    statement(who, { last_valid_entry_id: '41', revoked_after_entry: '42' }),
    who.revoker,
  );
  const signed = await signStatement(bundle(who, [named]), who.bundler);
  const at = async (entryId: string, logId = LOG) =>
    (await ask(who, signed, {}, { ...who.subject, inclusion: { logId, entryId } })).outcome;
  assert.equal(await at('41'), 'before-revocation');
  assert.equal(await at('9'), 'before-revocation');
  assert.equal(await at('42'), 'revoked');
  assert.equal(await at('100'), 'revoked');
  assert.equal(await at('041'), 'revoked');
  assert.equal(await at('-1'), 'revoked');
  assert.equal(await at('9', 'https://other.example/'), 'revoked');
  const expired = await ask(
    who,
    signed,
    { now: NOW + 1e6 },
    { ...who.subject, inclusion: { logId: LOG, entryId: '9' } },
  );
  assert.equal(expired.outcome, 'unverified');
});

test('ids that are not numbers have no order: only the last valid entry itself is known to stand', async () => {
  const who = await cast();
  const named = await signStatement(statement(who, { last_valid_entry_id: 'm' }), who.revoker);
  const signed = await signStatement(bundle(who, [named]), who.bundler);
  const at = async (entryId: string) =>
    (await ask(who, signed, {}, { ...who.subject, inclusion: { logId: LOG, entryId } })).outcome;
  assert.equal(await at('m'), 'before-revocation');
  assert.equal(await at('a'), 'revoked');
  assert.equal(await at('1'), 'revoked');
});

test('the boundary of a statement is believed only when a trusted key signed it', async () => {
  const who = await cast();
  const subject = { ...who.subject, inclusion: { logId: LOG, entryId: '9' } };
  const byStranger = await signStatement(statement(who), await newStatementKey('ed25519'));
  const bySelf = await signStatement(statement(who, { revocation_key_id: id(who.record) }), who.record);
  const keys = [...who.keys, { key: who.record.public, source: 'record.jwk' }];
  for (const named of [byStranger, bySelf]) {
    const signed = await signStatement(bundle(who, [named]), who.bundler);
    assert.equal((await ask(who, signed, { keys }, subject)).outcome, 'revoked');
  }
});

test('of two statements about a key, the one that leaves less decides', async () => {
  const who = await cast();
  const wide = await signStatement(statement(who, { last_valid_entry_id: '50' }), who.revoker);
  const narrow = await signStatement(statement(who, { last_valid_entry_id: '10' }), who.revoker);
  const subject = { ...who.subject, inclusion: { logId: LOG, entryId: '20' } };
  for (const statements of [
    [wide, narrow],
    [narrow, wide],
  ]) {
    const signed = await signStatement(bundle(who, statements), who.bundler);
    assert.equal((await ask(who, signed, {}, subject)).outcome, 'revoked');
  }
  const signed = await signStatement(bundle(who, [wide, wide]), who.bundler);
  assert.equal((await ask(who, signed, {}, subject)).outcome, 'before-revocation');
});

test('a key is found under every name that a statement may use for it, and a stranger is not', async () => {
  const who = await cast();
  const raw = who.record.public.kind === 'ed25519' ? who.record.public.raw : new Uint8Array();
  const thumbprint = encodeHex(thumbprintOf(who.record.public));
  const names = [
    id(who.record),
    thumbprint,
    `sha256:${thumbprint}`,
    sha256Hex(raw),
    keyId(encodeBase64Url(raw)),
    'kid-1',
  ];
  for (const name of [...names, 'kid-2', id(who.revoker)]) {
    const named = await signStatement(statement(who, { compromised_key_id: name }), who.revoker);
    const signed = await signStatement(bundle(who, [named]), who.bundler);
    const { outcome } = await ask(who, signed, {}, { ...who.subject, kid: 'kid-1' });
    assert.equal(outcome, names.includes(name) ? 'revoked' : 'clear', name);
  }
});

test('a key cannot clear itself, even when it is among the keys that were given', async () => {
  const who = await cast();
  const keys = [{ key: who.record.public, source: 'record.jwk' }];
  const signed = await signStatement(bundle(who, [], { bundle_key_id: id(who.record) }), who.record);
  assert.equal((await ask(who, signed, { keys })).outcome, 'unverified');
});

test('an engine that has no such signatures leaves the bundle unchecked, and does not call it forged', async () => {
  const who = await cast();
  const signed = await signStatement(bundle(who, []), who.bundler);
  const { outcome, checks } = await onEngine(undefined, () => ask(who, signed));
  assert.deepEqual([outcome, failures(checks)], ['unverified', []]);
  assert.equal(outcomeOf(checks, 'revocation.signature'), 'not checked');
});

test('a bundle of another form is refused', async () => {
  const who = await cast();
  const named = await signStatement(statement(who), who.revoker);
  const whole = await signStatement(bundle(who, [named]), who.bundler);
  const cases: [string, unknown][] = [
    ['type', 'TraceRevocationBundle/2.0'],
    ['issued_at', undefined],
    ['issued_at', 1],
    ['valid_until', 'tomorrow'],
    ['statements', {}],
    ['statements.0.type', 'TraceRevocation/2.0'],
    ['statements.0.log_id', 'https://other.example/'],
    ['statements.0.last_valid_entry_id', ''],
    ['statements.0.last_valid_entry_id', 41],
    ['statements.0.extra', 1],
    ['statements.0.revoked_at', 5],
    ['bundle_key_id', undefined],
    ['sig.alg', 'RS256'],
    ['sig.value', 'a+b'],
    ['sig.extra', 1],
    ['extra', 1],
  ];
  for (const [path, value] of cases) {
    const { outcome, checks } = await ask(who, altered(whole, path, value));
    assert.deepEqual([outcome, failures(checks)], ['unverified', ['revocation.form']], path);
  }
  const backwards = await signStatement(bundle(who, [], { valid_until: NOW - 61 }), who.bundler);
  assert.deepEqual(failures((await ask(who, backwards)).checks), ['revocation.form']);
});

test('a genuine bundle with any bit flipped clears nothing', async () => {
  const who = await cast();
  const signed = await signStatement(bundle(who, []), who.bundler);
  for (const bytes of bitFlips(signed)) {
    const { outcome } = await verifyRevocation(who.subject, { bundle: bytes, keys: who.keys, now: NOW });
    assert.equal(outcome, 'unverified');
  }
});

test('any bytes give an answer that clears nothing, never an exception', async () => {
  const who = await cast();
  const whole = await signStatement(bundle(who, []), who.bundler);
  const paths = [
    'type',
    'log_id',
    'issued_at',
    'valid_until',
    'statements',
    'bundle_key_id',
    'sig',
    'sig.alg',
    'sig.value',
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...paths), fc.jsonValue())
    .map(([path, value]) => JSON.stringify(altered(whole, path, value)));
  const deep = fc.constantFrom('['.repeat(100_000), '{"a":'.repeat(100_000), '{"__proto__":{"type":"x"}}', '');
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated, deep), async (input) => {
      const { outcome, checks } = await verifyRevocation(who.subject, { bundle: input, keys: who.keys, now: NOW });
      if (input === stringifyJson(whole)) return;
      assert.equal(outcome, 'unverified');
      assert.notEqual(outcomeOf(checks, 'revocation.key'), 'proven');
    }),
    { numRuns: 400 },
  );
  const { outcome } = await verifyRevocation(who.subject, { bundle: null as unknown as string, keys: who.keys });
  assert.equal(outcome, 'unverified');
});
