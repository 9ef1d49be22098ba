import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type AuditEntry,
  type Checkpoint,
  type GatewayClaim,
  isObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseJson,
} from '@cmcp/evidence';
import type { EvidenceFile } from '../../attestation/types.ts';
import { subjectOf } from '../../caller.ts';
import { GatewayError } from '../../errors.ts';
import type { SessionEvidence } from '../evidence.ts';
import { ensurePrivateFile, lockStore, type StoreLock } from '../lock.ts';
import type {
  AuditStore,
  CommitBatch,
  Exposure,
  Intent,
  SessionRow,
  StandingName,
  StoredClaim,
  StoredSession,
} from '../types.ts';

/** "cMCP" in ASCII: says whose file this is. */
const APPLICATION_ID = 0x634d4350;
const SCHEMA_VERSION = 3;

/*
 * Rows are appended in the order of their commits and hold the JSON text of what was hashed or signed. No constraint stands
 * for the integrity of a chain: hashes and signatures do, and an edited store must still open.
 */
const SCHEMA_1 = `
CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, caller_source TEXT NOT NULL,
  opened_micros INTEGER NOT NULL, state TEXT NOT NULL, close_reason TEXT
) STRICT;
CREATE INDEX sessions_open ON sessions (opened_micros) WHERE state = 'open';
CREATE TABLE entries (id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX entries_session ON entries (session_id);
CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX checkpoints_session ON checkpoints (session_id);
CREATE TABLE intents (
  call_id TEXT NOT NULL, session_id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (call_id, session_id)
) STRICT;
CREATE INDEX intents_session ON intents (session_id);
CREATE TABLE exposures (
  subject TEXT PRIMARY KEY, class TEXT NOT NULL, rank INTEGER NOT NULL, generation INTEGER NOT NULL,
  last_call_micros INTEGER NOT NULL
) STRICT;
CREATE TABLE salts (id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, call_id TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE INDEX salts_session ON salts (session_id);
CREATE TABLE claims (
  number INTEGER PRIMARY KEY, session_id TEXT NOT NULL, body TEXT NOT NULL, bundle_signature TEXT NOT NULL
) STRICT;
CREATE INDEX claims_session ON claims (session_id);
PRAGMA application_id = ${APPLICATION_ID};
`;

/** What version 2 adds: evidence of open sessions, and beside claims; what is recorded of the counter that anchors the store. */
const SCHEMA_2 = `
CREATE TABLE evidence (session_id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
ALTER TABLE claims ADD COLUMN beside TEXT NOT NULL DEFAULT '[]';
CREATE TABLE anchor (only INTEGER PRIMARY KEY CHECK (only = 1), body TEXT NOT NULL, tag TEXT NOT NULL) STRICT;
`;

/** What version 3 adds: what is remembered of who may put something in force. */
const SCHEMA_3 = `
CREATE TABLE standings (name TEXT PRIMARY KEY, body TEXT NOT NULL, tag TEXT NOT NULL) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** By the version that a store has: what brings it to this one. */
const MIGRATIONS = new Map([
  [1, `${SCHEMA_2} ${SCHEMA_3}`],
  [2, SCHEMA_3],
]);

/**
 * Opens the embedded store in `dataDir` (created; mode 0700, files 0600) and takes its lock until `close()`. A resolved commit
 * is on stable storage: one transaction, WAL, synchronous=FULL.
 *
 * @throws GatewayError STORE_IN_USE when another gateway holds it; STORE_INVALID when it is not a store this version can read
 */
export function openSqliteStore(dataDir: string): AuditStore {
  const path = join(dataDir, 'audit.db');
  const lock = holdFolder(dataDir);
  try {
    ensurePrivateFile(path);
    return new SqliteStore(openDatabase(path), lock);
  } catch (cause) {
    lock.release();
    throw cause instanceof GatewayError ? cause : invalid(`${path} cannot be opened`, cause);
  }
}

function holdFolder(dataDir: string): StoreLock {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    chmodSync(dataDir, 0o700);
    return lockStore(join(dataDir, 'audit.lock'));
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : invalid(`${dataDir} cannot be used`, cause);
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true, allowExtension: false });
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;');
    prepareSchema(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareSchema(db: DatabaseSync, path: string): void {
  const version = pragma(db, 'user_version');
  const owner = pragma(db, 'application_id');
  if (version === 0 && owner === 0 && pragma(db, 'schema_version') === 0) {
    db.exec(`BEGIN IMMEDIATE; ${SCHEMA_1} ${SCHEMA_2} ${SCHEMA_3} COMMIT;`);
    return;
  }
  if (owner !== APPLICATION_ID) throw new GatewayError('STORE_INVALID', `${path} is not an audit store`);
  const migration = MIGRATIONS.get(Number(version));
  if (migration !== undefined) {
    db.exec(`BEGIN IMMEDIATE; ${migration} COMMIT;`);
    return;
  }
  if (version !== SCHEMA_VERSION) {
    throw new GatewayError(
      'STORE_INVALID',
      `${path} has schema version ${version}; this gateway reads version ${SCHEMA_VERSION}`,
    );
  }
}

function pragma(db: DatabaseSync, name: string): SQLOutputValue | undefined {
  return db.prepare(`PRAGMA ${name}`).get()?.[name];
}

type Row = Record<string, SQLOutputValue>;

/** Entries read at a time; between two such pages other work of the thread, commits above all, has its turn. */
const PAGE = 500;

class SqliteStore implements AuditStore {
  readonly #db: DatabaseSync;
  readonly #lock: StoreLock;
  readonly #write: Writers;

  constructor(db: DatabaseSync, lock: StoreLock) {
    this.#db = db;
    this.#lock = lock;
    this.#write = writers(db);
  }

  async commit(batch: CommitBatch): Promise<void> {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      writeBatch(this.#write, batch);
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  async openSessions(): Promise<StoredSession[]> {
    return this.#all(`SELECT * FROM sessions WHERE state = 'open' ORDER BY opened_micros, session_id`).map(toSession);
  }

  async allSessions(): Promise<SessionRow[]> {
    const rows = this.#all(`
      SELECT s.*, (SELECT count(*) FROM entries e WHERE e.session_id = s.session_id) AS entries,
        (SELECT max(number) FROM claims c WHERE c.session_id = s.session_id AND s.state = 'closed') AS claim_number
      FROM sessions s ORDER BY opened_micros, session_id`);
    return rows.map((row) => ({
      ...toSession(row),
      subject: subjectOf(String(row.subject)),
      entries: Number(row.entries),
      claimNumber: row.claim_number === null ? null : Number(row.claim_number),
    }));
  }

  async entries(sessionId: string): Promise<AuditEntry[]> {
    const entries: AuditEntry[] = [];
    for (let last = 0; ; await turn()) {
      const sql = `SELECT id, body FROM entries WHERE session_id = ? AND id > ? ORDER BY id LIMIT ${PAGE}`;
      const page = this.#all(sql, sessionId, last);
      for (const row of page) entries.push(stored<AuditEntry>(row, 'an entry'));
      if (page.length < PAGE) return entries;
      last = Number(page.at(-1)?.id);
    }
  }

  async checkpoints(sessionId: string): Promise<Checkpoint[]> {
    const rows = this.#all('SELECT body FROM checkpoints WHERE session_id = ? ORDER BY id', sessionId);
    return rows.map((row) => stored<Checkpoint>(row, 'a checkpoint'));
  }

  async intents(sessionId: string): Promise<Intent[]> {
    const rows = this.#all('SELECT body FROM intents WHERE session_id = ? ORDER BY rowid', sessionId);
    return rows.map(toIntent);
  }

  async exposures(): Promise<Exposure[]> {
    return this.#all('SELECT * FROM exposures ORDER BY subject').map((row) => ({
      subject: String(row.subject),
      class: String(row.class),
      rank: Number(row.rank),
      generation: Number(row.generation),
      lastCallMicros: Number(row.last_call_micros),
    }));
  }

  async claim(sessionId: string): Promise<StoredClaim | null> {
    const [row] = this.#all('SELECT * FROM claims WHERE session_id = ? ORDER BY number DESC LIMIT 1', sessionId);
    return row === undefined ? null : toClaim(row);
  }

  async lastClaim(): Promise<StoredClaim | null> {
    const [row] = this.#all('SELECT * FROM claims ORDER BY number DESC LIMIT 1');
    return row === undefined ? null : toClaim(row);
  }

  async salts(sessionId: string): Promise<{ callId: string; sealed: Uint8Array }[]> {
    const rows = this.#all('SELECT call_id, sealed FROM salts WHERE session_id = ? ORDER BY id', sessionId);
    return rows.map((row) => ({
      callId: String(row.call_id),
      sealed: row.sealed instanceof Uint8Array ? row.sealed : new Uint8Array(),
    }));
  }

  async evidence(sessionId: string): Promise<SessionEvidence | null> {
    const [row] = this.#all('SELECT body FROM evidence WHERE session_id = ?', sessionId);
    return row === undefined ? null : toEvidence(row);
  }

  async standing(name: StandingName): Promise<{ text: string; tag: string } | null> {
    const [row] = this.#all('SELECT body, tag FROM standings WHERE name = ?', name);
    return row === undefined ? null : { text: String(row.body), tag: String(row.tag) };
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
    this.#lock.release();
  }

  #all(sql: string, ...parameters: (string | number)[]): Row[] {
    try {
      return this.#db.prepare(sql).all(...parameters);
    } catch (cause) {
      throw invalid('the audit store cannot be read', cause);
    }
  }
}

interface Writers {
  session: StatementSync;
  intent: StatementSync;
  settle: StatementSync;
  entry: StatementSync;
  checkpoint: StatementSync;
  exposure: StatementSync;
  salt: StatementSync;
  claim: StatementSync;
  evidence: StatementSync;
  noEvidence: StatementSync;
  anchor: StatementSync;
  standing: StatementSync;
}

function writers(db: DatabaseSync): Writers {
  return {
    session: db.prepare(`INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, close_reason = excluded.close_reason`),
    intent: db.prepare('INSERT INTO intents VALUES (?, ?, ?)'),
    settle: db.prepare('DELETE FROM intents WHERE call_id = ?'),
    entry: db.prepare('INSERT INTO entries (session_id, body) VALUES (?, ?)'),
    checkpoint: db.prepare('INSERT INTO checkpoints (session_id, body) VALUES (?, ?)'),
    exposure: db.prepare(`INSERT INTO exposures VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE SET
      class = excluded.class, rank = excluded.rank, generation = excluded.generation,
      last_call_micros = excluded.last_call_micros`),
    salt: db.prepare('INSERT INTO salts (session_id, call_id, sealed) VALUES (?, ?, ?)'),
    claim: db.prepare('INSERT INTO claims VALUES (?, ?, ?, ?, ?)'),
    evidence: db.prepare('INSERT OR REPLACE INTO evidence VALUES (?, ?)'),
    noEvidence: db.prepare('DELETE FROM evidence WHERE session_id = ?'),
    anchor: db.prepare('INSERT OR REPLACE INTO anchor VALUES (1, ?, ?)'),
    standing: db.prepare('INSERT OR REPLACE INTO standings VALUES (?, ?, ?)'),
  };
}

// What is written here was checked to hold only strings, safe integers and nulls: JSON.stringify loses nothing of it.
function writeBatch(write: Writers, batch: CommitBatch): void {
  for (const s of batch.sessions) {
    write.session.run(s.sessionId, s.kind, s.exposedAs, s.callerSource, s.openedMicros, s.state, s.closeReason);
  }
  for (const intent of batch.intents) write.intent.run(intent.callId, intent.sessionId, JSON.stringify(intent));
  for (const callId of batch.settled) write.settle.run(callId);
  for (const { sessionId, entry } of batch.entries) write.entry.run(sessionId, JSON.stringify(entry));
  for (const checkpoint of batch.checkpoints) write.checkpoint.run(checkpoint.session_id, JSON.stringify(checkpoint));
  for (const e of batch.exposures) write.exposure.run(e.subject, e.class, e.rank, e.generation, e.lastCallMicros);
  for (const { sessionId, callId, sealed } of batch.salts) write.salt.run(sessionId, callId, sealed);
  for (const { number, sessionId, claim, bundleSignature, beside } of batch.claims) {
    write.claim.run(number, sessionId, JSON.stringify(claim), bundleSignature, JSON.stringify(beside));
  }
  for (const { sessionId, evidence } of batch.evidence) {
    if (evidence === null) write.noEvidence.run(sessionId);
    else write.evidence.run(sessionId, JSON.stringify(evidence));
  }
  if (batch.anchor !== null) write.anchor.run(batch.anchor.text, batch.anchor.tag);
  for (const { name, text, tag } of batch.standings) write.standing.run(name, text, tag);
}

function toSession(row: Row): StoredSession {
  return {
    sessionId: String(row.session_id),
    kind: row.kind === 'gateway' ? 'gateway' : 'session',
    exposedAs: String(row.subject),
    callerSource: String(row.caller_source),
    openedMicros: Number(row.opened_micros),
    state: row.state === 'open' ? 'open' : 'closed',
    closeReason: row.close_reason as StoredSession['closeReason'],
  };
}

function toClaim(row: Row): StoredClaim {
  return {
    sessionId: String(row.session_id),
    number: Number(row.number),
    claim: stored<GatewayClaim>(row, 'a claim'),
    bundleSignature: String(row.bundle_signature),
    beside: filesIn(parsed(String(row.beside), 'the evidence of a claim')),
  };
}

function toEvidence(row: Row): SessionEvidence {
  const evidence = stored<SessionEvidence & JsonObject>(row, 'evidence');
  const { platform, measurement, generatedMicros, validitySeconds } = evidence;
  const texts = [platform, measurement].every((text) => typeof text === 'string');
  const numbers = [generatedMicros, validitySeconds].every((number) => typeof number === 'number');
  if (!texts || !numbers || !isObject(evidence.evidence as JsonObject))
    throw invalid('evidence in the audit store lacks members', undefined);
  return { ...evidence, beside: filesIn(evidence.beside as unknown as JsonValue) };
}

function filesIn(value: JsonValue): EvidenceFile[] {
  if (!Array.isArray(value)) throw invalid('evidence in the audit store is no list', undefined);
  return value.map((file) => {
    const { role, media_type, data } = isObject(file) ? file : {};
    if (typeof role !== 'string' || typeof media_type !== 'string' || typeof data !== 'string')
      throw invalid('evidence in the audit store lacks members', undefined);
    return { role, media_type, data };
  });
}

function toIntent(row: Row): Intent {
  const intent = stored<Intent & AuditEntry>(row, 'an intent');
  const { subject, class: label, rank, generation, lastCallMicros } = intent.exposure ?? {};
  const texts = [intent.callId, intent.decision, subject, label];
  const numbers = [rank, generation, lastCallMicros];
  const whole =
    texts.every((text) => typeof text === 'string') && numbers.every((number) => typeof number === 'number');
  if (!whole || !isObject(intent.draft)) throw invalid('an intent in the audit store lacks members', undefined);
  return intent;
}

/** A row was bounded when it was written. */
const ANY_SIZE = { bytes: 2 ** 30, items: 2 ** 30 };

/** The object that a row holds. Its members are still only what someone with the file could have written. */
function stored<T>(row: Row, what: string): T {
  const value = parsed(String(row.body), what);
  if (isObject(value)) return value as T;
  throw invalid(`${what} in the audit store is not an object`, undefined);
}

function parsed(text: string, what: string): JsonValue {
  try {
    return parseJson(text, ANY_SIZE);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw invalid(`${what} in the audit store is not JSON`, cause);
  }
}

function invalid(what: string, cause: unknown): GatewayError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new GatewayError('STORE_INVALID', what + reason, { cause });
}
