import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { BEHAVIOUR_ID, claimedBehaviours, sourceOf } from '../requirements/collect.ts';

/** What MCP demands of whoever stands between clients and servers: one MUST, in our words, and where it is written. */
interface Behaviour {
  id: string;
  revision: '2026-07-28' | '2025-11-25';
  /** What the gateway is while it behaves so: a server to clients, or a client to servers. */
  side: 'server' | 'client';
  spec: string;
  must: string;
}

/** What MCP demands of others, or of what the gateway does not have. */
interface LeftOut {
  revision: Behaviour['revision'];
  spec: string;
  what: string;
  why: string;
}

const json = async <T>(file: string): Promise<T> =>
  JSON.parse(await readFile(new URL(file, import.meta.url), 'utf8')) as T;
const manifest = await json<Behaviour[]>('manifest.json');
const leftOut = await json<LeftOut[]>('left-out.json');
const claimed = await claimedBehaviours();

const PREFIXES = { '2026-07-28': 'B26-', '2025-11-25': 'B25-' } as const;
/** One: a full stop within is that of a number. */
const SENTENCE = /^[A-Z](?:[^.]|\.(?=\d))*\.$/;
const ANCHOR = '[a-z0-9%-]+';
const EXTENSION = `https://github.com/modelcontextprotocol/ext-tasks/blob/main/specification/2026-07-28/tasks.md#`;
/** Tests that speak to the gateway as clients and servers do. */
const SURFACE = /^tests\/(?:[^/]+|behaviour\/[^/]+|conformance\/.+)\.test\.ts$/;
const ROOM = /^packages\/gateway\/src\/(?:ingress|mcp|upstream)\/.+\.test\.ts$/;
/** What a test of a room needs in order to speak HTTP, or through a pipe. */
const WIRE = /from '(?:\.\.\/)+tests\/support\/(?:ingress|upstreams)\.ts'/;

function linkOf({ revision }: { revision: Behaviour['revision'] }): RegExp {
  const page = `https://modelcontextprotocol.io/specification/${revision}/[a-z0-9_/-]+#`;
  const pages = revision === '2026-07-28' ? `(?:${page}|${EXTENSION})` : page;
  return new RegExp(`^${pages}${ANCHOR}$`);
}

test('every behaviour has an id of its own, of the form of its revision', () => {
  const ids = manifest.map(({ id }) => id);
  assert.deepEqual([...new Set(ids)], ids);
  for (const { id, revision, side } of manifest) {
    assert.match(id, BEHAVIOUR_ID);
    assert.ok(id.startsWith(PREFIXES[revision]), id);
    assert.ok(side === 'server' || side === 'client', id);
  }
});

test('every behaviour is said in one sentence, and leads to the page of its revision', () => {
  for (const entry of manifest) {
    assert.match(entry.must, SENTENCE, entry.id);
    assert.match(entry.spec, linkOf(entry), entry.id);
  }
});

test('what is left out is said once, with the reason', () => {
  const said = leftOut.map(({ spec, what }) => `${spec} ${what}`);
  assert.deepEqual([...new Set(said)], said);
  for (const entry of leftOut) {
    assert.match(entry.spec, linkOf(entry), entry.what);
    assert.match(entry.what, /^[A-Z]/);
    assert.match(entry.why, /^[A-Z].*\.$/, entry.what);
  }
});

test('every behaviour has a test whose title claims it', () => {
  const missing = manifest.filter(({ id }) => !claimed.has(id)).map(({ id }) => id);
  assert.deepEqual(missing, []);
});

test('every behaviour that a test claims is in the manifest', () => {
  const known = new Set(manifest.map(({ id }) => id));
  assert.deepEqual(
    [...claimed.keys()].filter((id) => !known.has(id)),
    [],
  );
});

test('behaviours are claimed by tests of the public surface only', async () => {
  for (const file of new Set([...claimed.values()].flat())) {
    if (SURFACE.test(file)) continue;
    assert.match(file, ROOM);
    assert.match(await sourceOf(file), WIRE, `${file} speaks to nothing outside`);
  }
});
