import assert from 'node:assert/strict';
import { createHash, hash } from 'node:crypto';
import { before, test } from 'node:test';
import {
  type EntriesFile,
  type Expectations,
  encodeUtf8,
  entriesFileName,
  type JsonObject,
  type Report,
  type SessionFile,
  type Sha256,
  stringifyJson,
  verify,
} from './index.ts';
import {
  adopt,
  CATALOG_HASH,
  makeSession,
  nameEntries,
  newKey,
  POLICY_HASH,
  seal,
  sign,
  split,
  type TestKey,
} from './testing/session.ts';
import type { SessionParts } from './verify.ts';

let key: TestKey;
let pins: Expectations;
let file: SessionFile;
let session: JsonObject;
let lines: string[];

before(async () => {
  key = await newKey();
  pins = {
    keys: [{ x: key.x, source: 'gateway.jwk' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
  };
  const call = { tool: 'crm.query', domain: 'pii', dataClass: 'pii' };
  file = await makeSession(key, [
    { kind: 'allow', ...call },
    { kind: 'deny', ...call },
  ]);
  const parts = split(file);
  session = parts.session;
  lines = parts.entries.match(/[^\n]+\n/g) ?? [];
});

const whole = (): string => lines.join('');

/** The session file with `named` in the place of what it says of its entries. */
function naming(named: JsonObject): string {
  const { bundle_signature, session_id } = file.bundle;
  return stringifyJson({ ...session, bundle: { session_id, entries_file: named, bundle_signature } });
}

function check(entries: string | Uint8Array | undefined, named: JsonObject = nameEntries(whole(), 4)): Promise<Report> {
  const bytes = typeof entries === 'string' ? encodeUtf8(entries) : entries;
  return verify(naming(named), pins, bytes === undefined ? {} : { entries: bytes });
}

/** What is said of `entries` when the session file was made to name exactly them. */
const checkNamed = (entries: string, count = 4): Promise<Report> => check(entries, nameEntries(entries, count));

const failures = ({ checks }: Report): string[] =>
  checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);

function detail({ checks }: Report): string {
  return checks.find(({ id }) => id === 'file.entries')?.detail ?? '';
}

test('a session whose entries are in the file beside it is checked like one that has them inside', async () => {
  const report = await check(whole());
  assert.equal(report.verdict, 'verified', report.summary);
  const own = report.checks.filter(({ id }) => id === 'file.entries');
  assert.deepEqual(
    own.map(({ outcome, required }) => [outcome, required]),
    [['proven', true]],
  );
  const inside = await verify(stringifyJson(file), pins, { entries: encodeUtf8('not read') });
  assert.deepEqual(
    report.checks.filter(({ id }) => id !== 'file.entries'),
    inside.checks,
  );
});

/** `bytes` in pieces of the given lengths, and the rest. */
async function* inPieces(bytes: Uint8Array, ...lengths: number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const length of [...lengths, bytes.length]) {
    yield bytes.slice(at, at + length);
    at += length;
  }
}

const checkStream = (entries: AsyncIterable<Uint8Array>, more: SessionParts = {}): Promise<Report> =>
  verify(naming(nameEntries(whole(), 4)), pins, { ...more, entries });

test('entries that come as a stream are checked like entries that are given whole, wherever the stream is cut', async () => {
  const bytes = encodeUtf8(whole());
  const expected = await check(bytes);
  for (let at = 0; at <= bytes.length; at += 97) {
    assert.deepEqual(await checkStream(inPieces(bytes, at)), expected);
    assert.deepEqual(await checkStream(inPieces(bytes, at, 1, 0, 40)), expected);
  }
  assert.deepEqual(await checkStream(inPieces(bytes, ...Array.from(bytes, () => 1))), expected);
});

test('a stream of entries is checked piece by piece: when a piece is asked for, nothing is held of the one before', async () => {
  const bytes = encodeUtf8(whole());
  async function* wiped(): AsyncGenerator<Uint8Array> {
    for (const line of lines) {
      const piece = encodeUtf8(line);
      yield piece;
      piece.fill(0);
    }
  }
  assert.deepEqual(await checkStream(wiped()), await check(bytes));
});

test('a stream of entries that is larger than any session is not read to its end', async () => {
  const piece = new Uint8Array(1 << 20).fill(0x20);
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      given++;
      yield piece;
    }
  }
  const report = await checkStream(endless());
  assert.deepEqual(failures(report), ['file.entries']);
  assert.match(detail(report), /is larger than 536870912 bytes/);
  assert.equal(given, 513);
});

test('a line without an end is refused at its bound, before it fills the memory', async () => {
  const bytes = new Uint8Array(17 << 20).fill(0x20);
  assert.match(detail(await check(bytes, nameEntries(bytes, 1))), /line 1 is longer than 16777216 bytes/);
});

test('what breaks the stream of entries is told to who gave the stream', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield encodeUtf8(lines[0] ?? '');
    throw new RangeError('the disk is gone');
  }
  await assert.rejects(checkStream(broken()), { message: 'the disk is gone' });
});

test('a stream of anything but bytes is refused without an exception', async () => {
  async function* texts(): AsyncGenerator<Uint8Array> {
    yield whole() as never;
  }
  assert.deepEqual(failures(await checkStream(texts())), ['file.entries']);
});

test('with a SHA-256 of the engine the report is the same, and a wrong one proves nothing', async () => {
  const engine: Sha256 = { hex: (text) => hash('sha256', text), start: () => createHash('sha256') };
  const bytes = encodeUtf8(whole());
  assert.deepEqual(await checkStream(inPieces(bytes), { sha256: engine }), await check(bytes));
  const inside = stringifyJson(file);
  assert.deepEqual(await verify(inside, pins, { sha256: engine }), await verify(inside, pins));
  const wrong = { ...engine, hex: (text: string) => hash('sha256', `${text} `) };
  assert.deepEqual(failures(await verify(inside, pins, { sha256: wrong })), ['chain.hashes']);
  const wrongBytes = { ...engine, start: () => createHash('sha512-256') };
  assert.deepEqual(failures(await verify(inside, pins, { sha256: wrongBytes })), ['bundle.signature']);
  assert.deepEqual(failures(await checkStream(inPieces(bytes), { sha256: wrongBytes })), ['file.entries']);
});

test('an entry is hashed without its own entry_hash and with those inside it', async () => {
  const nested = structuredClone(file);
  const [, entry] = nested.bundle.entries;
  if (entry === undefined) throw new Error('no entry');
  entry.detail = { ...entry.detail, entry_hash: '00'.repeat(32), z: 1 };
  await seal(nested, key);
  const verdict = async (): Promise<string> => {
    const parts = split(nested);
    return (await verify(stringifyJson(parts.session), pins, { entries: encodeUtf8(parts.entries) })).verdict;
  };
  assert.equal(await verdict(), 'verified');
  // The same text twice: which of the two is the entry's own cannot be told from the text.
  entry.detail = { ...entry.detail, entry_hash: entry.entry_hash };
  await sign(nested, key);
  assert.equal(await verdict(), 'refused');
});

test('without the entries file a session is not verified, and the report says which file is missing', async () => {
  const report = await check(undefined);
  assert.equal(report.verdict, 'unverified');
  assert.match(report.summary, /the entries are in another file, beside\.cmcp\.ndjson, and that file is missing/);
  const missing = report.checks.find(({ id }) => id === 'file.entries');
  assert.equal(missing?.outcome, 'not checked');
  assert.match(missing?.remedy ?? '', /^the file beside\.cmcp\.ndjson/);
  assert.equal(report.session_id, file.bundle.session_id);
  assert.deepEqual(report.lacking, []);
});

test('without the entries file the claim is checked all the same', async () => {
  const { claim } = structuredClone(file);
  claim.gateway.gateway_version = '9';
  const report = await verify(stringifyJson({ ...session, claim }), pins);
  assert.deepEqual(failures(report), ['claim.signature']);
  assert.equal((await verify(stringifyJson({ ...session, claim: {} }), pins)).verdict, 'refused');
});

test('one altered byte of the entries file refuses the session', async () => {
  const bytes = encodeUtf8(whole());
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  const report = await check(bytes);
  assert.deepEqual([report.verdict, failures(report)], ['refused', ['file.entries']]);
  assert.match(detail(report), /has not the digest/);
});

test('a truncated entries file refuses the session, also when it is named as it is', async () => {
  for (const cut of [whole().slice(0, -1), lines.slice(0, -1).join(''), '']) {
    assert.deepEqual(failures(await check(cut)), ['file.entries']);
    assert.deepEqual(failures(await checkNamed(cut)), ['file.entries']);
  }
  assert.match(detail(await checkNamed(whole().slice(0, -1))), /line 4 is not ended/);
  const renumbered = await checkNamed(lines.slice(0, -1).join(''), 3);
  assert.ok(failures(renumbered).includes('chain.bounds'));
  assert.ok(failures(renumbered).includes('bundle.signature'));
});

test('two lines of the entries file that changed places refuse the session, also when it is named as it is', async () => {
  const swapped = [lines[0], lines[2], lines[1], lines[3]].join('');
  assert.deepEqual(failures(await check(swapped)), ['file.entries']);
  const renamed = failures(await checkNamed(swapped));
  for (const id of ['bundle.signature', 'chain.links', 'chain.sequence']) assert.ok(renamed.includes(id), id);
});

test('an extra line in the entries file refuses the session, also when it is named as it is', async () => {
  const extra = whole() + lines[3];
  assert.deepEqual(failures(await check(extra)), ['file.entries']);
  assert.match(detail(await checkNamed(extra)), /has 5 entries, and the session file says 4/);
  assert.ok(failures(await checkNamed(extra, 5)).includes('chain.bounds'));
});

test('the entries file of another session refuses the session, whichever digest is named', async () => {
  const other = split(await makeSession(key, [{ kind: 'mcp_request' }, { kind: 'mcp_request' }])).entries;
  assert.deepEqual(failures(await check(other)), ['file.entries']);
  assert.deepEqual(failures(await check(whole(), nameEntries(other, 4))), ['file.entries']);
  const renamed = failures(await checkNamed(other));
  for (const id of ['bundle.signature', 'chain.session', 'chain.bounds']) assert.ok(renamed.includes(id), id);
});

test('a wrong number of entries refuses the session', async () => {
  for (const count of [3, 5]) {
    const report = await checkNamed(whole(), count);
    assert.deepEqual(failures(report), ['file.entries']);
    assert.match(detail(report), new RegExp(`has 4 entries, and the session file says ${count}`));
  }
});

test('an entries file is one strict JSON object to a line, each ended by one line feed', async () => {
  const [first = '', ...rest] = lines;
  const bent: [string, RegExp][] = [
    [`${first}\n${rest.join('')}`, /line 2 is not strict JSON/],
    [`\n${whole()}`, /line 1 is not strict JSON/],
    [`${whole()}\n`, /line 5 is not strict JSON/],
    [`\ufeff${whole()}`, /line 1 is not strict JSON/],
    [`[]\n${rest.join('')}`, /line 1 is not an object/],
    [`"is"\n${rest.join('')}`, /line 1 is not an object/],
    [first.replace('{', '{"caller":1,') + rest.join(''), /line 1 is not strict JSON: an object has two members/],
    [first.replace('\n', ' ') + rest.join(''), /line 1 is not strict JSON: there is text after/],
  ];
  for (const [text, expected] of bent) {
    const report = await checkNamed(text);
    assert.deepEqual([failures(report), report.verdict], [['file.entries'], 'refused']);
    assert.match(detail(report), expected);
  }
  const latin = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d, 0x0a]);
  assert.match(detail(await check(latin, nameEntries(latin, 1))), /line 1 is not strict JSON: .*UTF-8/);
});

test('all lines of an entries file together have a bound on their values', async () => {
  const line = `{"a":[${'1,'.repeat(899_999)}1]}\n`;
  assert.match(detail(await checkNamed(line.repeat(18), 18)), /line 18 is not strict JSON: .*more than/);
});

test('a name that could leave the folder, and anything else that is malformed, is no session file', async () => {
  const good = nameEntries(whole(), 4);
  const names = ['../x.cmcp.ndjson', 'a/b.cmcp.ndjson', 'a\\b.cmcp.ndjson', '..', '', '.cmcp.ndjson', 'a..cmcp.ndjson'];
  const others = ['/etc/passwd', 'x.cmcp.json', 'x.cmcp.ndjson\n', 'x\0.cmcp.ndjson', 'C:x.cmcp.ndjson'];
  const malformed: JsonObject[] = [
    ...[...names, ...others].map((name) => ({ ...good, name })),
    { ...good, digest: good.digest.slice(7) },
    { ...good, digest: good.digest.toUpperCase() },
    { ...good, entries: 0 },
    { ...good, entries: '4' },
    { ...good, media_type: 'application/json' },
    { ...good, more: 1 },
    { name: good.name, digest: good.digest, entries: 4 } satisfies Partial<EntriesFile>,
  ];
  for (const named of malformed) {
    const report = await check(whole(), named);
    assert.deepEqual([report.verdict, failures(report)], ['refused', ['file.format']], JSON.stringify(named));
    assert.equal(entriesFileName(naming(named)), null);
  }
});

test('a bundle has its entries inside or beside it, not both and not neither', async () => {
  const { entries, ...without } = file.bundle;
  const both = { ...without, entries, entries_file: nameEntries(whole(), 4) };
  for (const bundle of [both, without]) {
    const report = await verify(stringifyJson({ ...file, bundle }), pins, { entries: encodeUtf8(whole()) });
    assert.deepEqual(failures(report), ['file.format']);
  }
  const pair = { format: 'cmcp-claim-and-bundle/1', claim: session.claim ?? null, bundle: session.bundle ?? null };
  assert.deepEqual(
    failures(await verify(stringifyJson(pair), pins)),
    ['file.format'],
    'the reference has no such form',
  );
});

test('the name of the entries file is told for a session file that has one', () => {
  assert.equal(entriesFileName(stringifyJson(session)), 'beside.cmcp.ndjson');
  assert.equal(entriesFileName(encodeUtf8(stringifyJson(session))), 'beside.cmcp.ndjson');
  for (const input of [stringifyJson(file), '', '{}', 'null']) assert.equal(entriesFileName(input), null);
});

test('entries that a caller gives as anything but bytes are refused without an exception', async () => {
  for (const entries of [null, 7, 'text', {}, []]) {
    const report = await verify(stringifyJson(session), pins, { entries: entries as never });
    assert.deepEqual(failures(report), ['file.entries']);
  }
});

test('a copy whose entries file was sealed again with another key is refused by the key pin', async () => {
  const forger = await newKey();
  const forged = structuredClone(file);
  adopt(forged.claim, forger);
  forged.checkpoints = [];
  await sign(forged, forger);
  const parts = split(forged);
  const report = await verify(stringifyJson(parts.session), pins, { entries: encodeUtf8(parts.entries) });
  assert.deepEqual(failures(report), ['key.pinned']);
});
