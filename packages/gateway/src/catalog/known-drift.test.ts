import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import type { AuditLog } from '../audit/types.ts';
import { driftDetail, type KnownDrift, recallDrift } from './known-drift.ts';

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;
const ECHO: KnownDrift = { server: 's', of: 'tool', name: 'echo', kind: 'withdrawn', classification: 'withdrawn' };
const GREET: KnownDrift = {
  server: 's',
  of: 'prompt',
  name: 'greet',
  kind: 'definition_changed',
  classification: 'arguments',
};
const STATED: KnownDrift = { server: 's', of: 'instructions' };

type Entry = { entry_type: string; detail: JsonObject };

const load = (hash: string): Entry => ({ entry_type: 'catalog_load', detail: { catalog_hash: hash } });
const drift = (known: KnownDrift, hash = A): Entry => ({
  entry_type: 'catalog_drift',
  detail: driftDetail(known, 'upstream', hash),
});

/** A log that holds these chains of the gateway, the oldest first, listed in another order. */
function logOf(...chains: Entry[][]): { log: AuditLog; read: string[] } {
  const read: string[] = [];
  const rows = chains.map((_, index) => ({
    sessionId: String(index),
    kind: 'gateway',
    openedMicros: index,
    claimNumber: 1,
  }));
  const others = [
    { sessionId: 'a session', kind: 'session', openedMicros: 90, claimNumber: 2 },
    { sessionId: 'without a claim', kind: 'gateway', openedMicros: 91, claimNumber: null },
  ];
  const log = {
    sessions: async () => [...rows, ...others],
    exportSession: async (id: string) => {
      read.push(id);
      return { bundle: { entries: chains[Number(id)] } };
    },
  };
  return { log: log as unknown as AuditLog, read };
}

test('what the latest chain knows of the same catalog is recalled, each once [W-17]', async () => {
  const { log, read } = logOf([load(A), drift(GREET)], [load(A), drift(ECHO), drift(STATED), drift(ECHO)]);
  assert.deepEqual(await recallDrift(log, A), [ECHO, STATED]);
  assert.deepEqual(read, ['1'], 'it began with all that was known before it');
  assert.deepEqual(await recallDrift(log, B), []);
});

test('a chain that ended while it began is read together with the one before it [W-17]', async () => {
  const { log } = logOf([load(A), drift(ECHO), drift(GREET)], [drift(ECHO)], []);
  assert.deepEqual(await recallDrift(log, A), [ECHO, GREET]);
});

test('another catalog in between settles what drifted before it, and a late word of the one before changes nothing [W-17]', async () => {
  const { log } = logOf([load(A), drift(ECHO), load(B), drift(GREET, B), drift(STATED, A)]);
  assert.deepEqual(await recallDrift(log, B), [GREET]);
  assert.deepEqual(await recallDrift(logOf([load(A), drift(ECHO), load(B), load(A)]).log, A), []);
  assert.deepEqual(await recallDrift(logOf().log, A), []);
});
