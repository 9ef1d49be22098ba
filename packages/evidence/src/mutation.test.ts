import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalSorted,
  type Expectations,
  encodeUtf8,
  JsonError,
  type JsonValue,
  parseJson,
  type SessionFile,
  stringifyJson,
  verify,
} from './index.ts';
import {
  CATALOG_HASH,
  type EventSpec,
  makeSession,
  nameEntries,
  newKey,
  POLICY_HASH,
  seal,
  split,
  type TestKey,
} from './testing/session.ts';

const word = fc.constantFrom('crm.query', 'mail.send', 'a', 'Z', 'db-drop', 'x y');
const call = fc.record({
  kind: fc.constantFrom(
    'allow',
    'redact',
    'advisory_deny',
    'deny',
    'step_up',
    'defer',
    'egress_denied',
    'fault',
    'miss',
  ),
  tool: word,
  domain: fc.constantFrom('pii', 'external', 'internal', 'mnpi'),
  dataClass: fc.constantFrom('public', 'pii', 'confidential', 'mnpi'),
  sources: fc.subarray(['pii', 'external', 'mnpi']),
});
const other = fc.record({ kind: fc.constantFrom('mcp_request', 'catalog_drift', 'session_reset', 'gateway_event') });
const events = fc.array(fc.oneof({ weight: 4, arbitrary: call }, other), { maxLength: 8 }) as fc.Arbitrary<EventSpec[]>;

let key: TestKey;
let pins: Expectations;

before(async () => {
  key = await newKey();
  pins = {
    keys: [{ x: key.x, source: 'gateway.jwk' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
  };
});

/** One place in a JSON value, and what is done there. */
interface Alteration {
  place: number;
  deed: 'replace' | 'delete' | 'insert' | 'swap' | 'copy';
  other: number;
  value: JsonValue;
}

const alteration: fc.Arbitrary<Alteration> = fc.record({
  place: fc.nat(),
  deed: fc.constantFrom('replace', 'delete', 'insert', 'swap', 'copy'),
  other: fc.nat(),
  value: fc.oneof(
    fc.constantFrom<JsonValue>(null, true, false, 0, 1, -1, '', 'allow', 'deny', 'public', [], {}),
    fc.maxSafeInteger(),
    fc.string(),
  ),
});

type Slot = { holder: JsonValue[] | Record<string, JsonValue>; key: string };

function slots(value: JsonValue): Slot[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Slot['holder'];
  return Object.entries(holder).flatMap(([key, item]) => [{ holder, key }, ...slots(item)]);
}

function read({ holder, key }: Slot): JsonValue {
  return (holder as Record<string, JsonValue>)[key] as JsonValue;
}

function write({ holder, key }: Slot, value: JsonValue): void {
  (holder as Record<string, JsonValue>)[key] = value;
}

/** Alters `file` in place. */
function alter(file: JsonValue, { place, deed, other, value }: Alteration): void {
  const all = slots(file);
  const slot = all[place % all.length];
  const second = all[other % all.length];
  if (slot === undefined || second === undefined) return;
  if (deed === 'delete') {
    if (Array.isArray(slot.holder)) slot.holder.splice(Number(slot.key), 1);
    else delete slot.holder[slot.key];
  } else if (deed === 'insert') {
    if (Array.isArray(slot.holder)) slot.holder.splice(Number(slot.key), 0, value);
    else slot.holder[`${slot.key}_`] = value;
  } else {
    const copied = structuredClone(read(second));
    if (deed === 'swap') write(second, structuredClone(read(slot)));
    write(slot, deed === 'replace' ? value : copied);
  }
}

function sameJson(a: JsonValue, b: JsonValue): boolean {
  return canonicalSorted(a) === canonicalSorted(b);
}

test('any session that a correct gateway could write is verified under its pins [D-36] [W-09]', async () => {
  await fc.assert(
    fc.asyncProperty(events, async (list) => {
      const report = await verify(stringifyJson(await makeSession(key, list)), pins);
      assert.equal(report.verdict, 'verified', report.summary);
      assert.equal(report.checks.filter((check) => check.outcome === 'failed').length, 0);
    }),
    { numRuns: 80 },
  );
});

test('any session with its entries beside it is verified under its pins, and never without them', async () => {
  await fc.assert(
    fc.asyncProperty(events, async (list) => {
      const { session, entries } = split(await makeSession(key, list));
      const report = await verify(stringifyJson(session), pins, { entries: encodeUtf8(entries) });
      assert.equal(report.verdict, 'verified', report.summary);
      assert.equal((await verify(stringifyJson(session), pins)).verdict, 'unverified');
    }),
    { numRuns: 40 },
  );
});

test('no altered copy of a session with its entries beside it is ever verified', async () => {
  const { session, entries } = split(await makeSession(key, SAMPLE));
  const original = stringifyJson(session);
  await fc.assert(
    fc.asyncProperty(fc.array(alteration, { minLength: 1, maxLength: 3 }), async (deeds) => {
      const altered = JSON.parse(original) as JsonValue;
      for (const deed of deeds) alter(altered, deed);
      // What the file is called is no part of what it says.
      if (sameJson(unnamed(altered), unnamed(parseJson(original)))) return;
      const report = await verify(JSON.stringify(altered), pins, { entries: encodeUtf8(entries) });
      assert.notEqual(report.verdict, 'verified');
    }),
    { numRuns: 400 },
  );
});

/** A copy without the name of the file of entries. */
function unnamed(file: JsonValue): JsonValue {
  const replacer = (key: string, value: unknown): unknown => (key === 'name' ? '' : value);
  return JSON.parse(JSON.stringify(file, replacer)) as JsonValue;
}

test('no altered line of the entries beside a session is ever verified, whatever digest and number are named', async () => {
  const { session, entries } = split(await makeSession(key, SAMPLE));
  const lines = entries.trimEnd().split('\n');
  await fc.assert(
    fc.asyncProperty(fc.array(alteration, { minLength: 1, maxLength: 2 }), async (deeds) => {
      const altered = lines.map((line) => JSON.parse(line) as JsonValue);
      for (const deed of deeds) alter(altered, deed);
      const text = altered.map((entry) => `${JSON.stringify(entry)}\n`).join('');
      if (
        sameJson(
          altered,
          lines.map((line) => parseJson(line)),
        )
      )
        return;
      const renamed = { ...(session.bundle as object), entries_file: nameEntries(encodeLoosely(text), altered.length) };
      const input = stringifyJson({ ...session, bundle: renamed });
      assert.notEqual((await verify(input, pins, { entries: encodeLoosely(text) })).verdict, 'verified');
      const report = await verify(stringifyJson(session), pins, { entries: encodeLoosely(text) });
      assert.equal(report.verdict, 'refused');
    }),
    { numRuns: 300 },
  );
});

test('however the lines of entries are written, the report on them is the same', async () => {
  const original = await makeSession(key, SAMPLE);
  await fc.assert(
    fc.asyncProperty(fc.array(alteration, { maxLength: 2 }), fc.boolean(), async (deeds, resealed) => {
      const altered = structuredClone(original);
      for (const deed of deeds) alter(altered.bundle.entries as JsonValue, deed);
      if (resealed) await seal(altered, key).catch((error: unknown) => assert.ok(error instanceof TypeError));
      const entries = altered.bundle.entries as JsonValue[];
      const reports = WRITERS.map((write) => {
        const text = encodeLoosely(entries.map((entry) => `${write(entry)}\n`).join(''));
        const bundle = { ...altered.bundle, entries_file: nameEntries(text, entries.length) };
        const session = JSON.stringify({ ...altered, bundle: { ...bundle, entries: undefined } });
        return verify(session, pins, { entries: text });
      });
      const [first, ...others] = await Promise.all(reports);
      for (const other of others) assert.deepEqual(other, first);
    }),
    { numRuns: 250 },
  );
});

/** Sorted, as it comes, with spaces, and with an escape that nobody needs. */
const WRITERS: ((entry: JsonValue) => string)[] = [
  canonicalSorted,
  (entry) => JSON.stringify(entry),
  (entry) => JSON.stringify(entry, null, ' ').replaceAll('\n', ''),
  (entry) => JSON.stringify(entry).replaceAll('session_id', 'session\\u005fid'),
];

/** As bytes, whatever `text` holds. */
function encodeLoosely(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test('no flipped byte and no truncation of the entries beside a session leaves anything but a refusal', async () => {
  const { session, entries } = split(await makeSession(key, SAMPLE));
  const original = encodeUtf8(entries);
  const input = stringifyJson(session);
  await fc.assert(
    fc.asyncProperty(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const flipped = original.slice();
      flipped[at] = (flipped[at] ?? 0) ^ mask;
      assert.equal((await verify(input, pins, { entries: flipped })).verdict, 'refused');
      assert.equal((await verify(input, pins, { entries: original.subarray(0, at) })).verdict, 'refused');
    }),
    { numRuns: 120 },
  );
});

test('any bytes at all beside a session give a report, and never verified, also when it names exactly them', async () => {
  const { session } = split(await makeSession(key, SAMPLE));
  const lines = fc.array(fc.json(), { maxLength: 4 }).map((list) => list.map((line) => `${line}\n`).join(''));
  const bytes = fc.oneof(fc.uint8Array(), fc.oneof(lines, fc.string({ unit: 'binary' })).map(encodeLoosely));
  await fc.assert(
    fc.asyncProperty(bytes, fc.nat(5), async (entries, count) => {
      const bundle = { ...(session.bundle as object), entries_file: nameEntries(entries, count) };
      const report = await verify(stringifyJson({ ...session, bundle }), pins, { entries });
      assert.equal(report.verdict, 'refused');
    }),
    { numRuns: 300 },
  );
});

test('no altered copy of a session is ever verified [G22] [ATK-34]', async () => {
  const original = stringifyJson(await makeSession(key, SAMPLE));
  await fc.assert(
    fc.asyncProperty(fc.array(alteration, { minLength: 1, maxLength: 3 }), async (deeds) => {
      const altered = JSON.parse(original) as JsonValue;
      for (const deed of deeds) alter(altered, deed);
      if (sameJson(altered, parseJson(original))) return;
      assert.notEqual((await verify(JSON.stringify(altered), pins)).verdict, 'verified');
    }),
    { numRuns: 700 },
  );
});

test('no altered copy that was hashed, linked and signed again with a fresh key is ever verified [G22] [ATK-37]', async () => {
  const forger = await newKey();
  const original = stringifyJson(await makeSession(key, SAMPLE));
  await fc.assert(
    fc.asyncProperty(alteration, async (deed) => {
      const altered = JSON.parse(original) as SessionFile;
      alter(altered, deed);
      // Some alterations leave nothing that could be sealed; the altered text is tried as it is then.
      await seal(altered, forger).catch((error: unknown) =>
        assert.ok(error instanceof TypeError || error instanceof JsonError),
      );
      if (sameJson(altered, parseJson(original))) return;
      assert.notEqual((await verify(JSON.stringify(altered), pins)).verdict, 'verified');
    }),
    { numRuns: 250 },
  );
});

test('no flipped byte and no truncation leaves a session verified [W-05] [UX-06]', async () => {
  const original = new TextEncoder().encode(stringifyJson(await makeSession(key, SAMPLE)));
  const meaning = parseJson(original);
  await fc.assert(
    fc.asyncProperty(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const flipped = original.slice();
      flipped[at] = (flipped[at] ?? 0) ^ mask;
      if (!sameMeaning(flipped, meaning)) assert.notEqual((await verify(flipped, pins)).verdict, 'verified');
      assert.equal((await verify(original.subarray(0, at), pins)).verdict, 'refused');
    }),
    { numRuns: 250 },
  );
});

function sameMeaning(bytes: Uint8Array, meaning: JsonValue): boolean {
  try {
    return sameJson(parseJson(bytes), meaning);
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}

test('any input at all gives a report, and never verified [G23] [D-36]', async () => {
  const shaped = fc.record({
    format: fc.constantFrom('cmcp-session/1', 'cmcp-claim-and-bundle/1'),
    claim: fc.jsonValue(),
    bundle: fc.oneof(
      fc.jsonValue(),
      fc.record({ session_id: fc.string(), entries: fc.array(fc.jsonValue()), bundle_signature: fc.string() }),
      fc.record({ session_id: fc.string(), entries_file: fc.jsonValue(), bundle_signature: fc.string() }),
    ),
    checkpoints: fc.array(fc.jsonValue()),
    evidence: fc.array(fc.jsonValue()),
  });
  const input = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.json(),
    shaped.map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(input, async (value) => assert.equal((await verify(value, pins)).verdict, 'refused')),
    { numRuns: 600 },
  );
  for (const value of [null, undefined, 7, {}, []]) {
    assert.equal((await verify(value as never, pins)).verdict, 'refused');
  }
});

const SAMPLE: EventSpec[] = [
  { kind: 'allow', tool: 'crm.query', domain: 'pii', dataClass: 'pii' },
  { kind: 'deny', tool: 'mail.send', domain: 'external', dataClass: 'public' },
  { kind: 'catalog_drift' },
  { kind: 'miss', tool: 'nope', domain: '', dataClass: '' },
];
