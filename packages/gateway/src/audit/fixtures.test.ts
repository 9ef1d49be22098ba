import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type AuditEntry,
  type Checkpoint,
  type EntryDraft,
  type JsonObject,
  type Report,
  type SessionFile,
  stringifyJson,
  verify,
} from '@cmcp/evidence';
import { subjectOf } from '../caller.ts';
import type { Clock } from '../clock.ts';
import { blankEntry } from './blank.ts';
import type { SessionEvidence } from './evidence.ts';
import type {
  AuditStore,
  CommitBatch,
  Exposure,
  Intent,
  SessionOpen,
  SessionRow,
  StoredClaim,
  StoredSession,
} from './types.ts';

// Shared by the tests of the log; holds no test itself.

export const RANKS: ReadonlyMap<string, number> = new Map([
  ['public', 0],
  ['pii', 1],
  ['confidential', 2],
  ['hipaa_phi', 3],
]);

export const VERSION = '0.1.0';
export const BUNDLE = `sha256:${'b'.repeat(64)}`;
export const CATALOG = `sha256:${'c'.repeat(64)}`;

/** A folder that is gone after the test. */
export function tempDir(t: Pick<TestContext, 'after'>): string {
  const dir = mkdtempSync(join(tmpdir(), 'cmcp-audit-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function commitments(more: JsonObject = {}): JsonObject {
  return {
    cmcp_v: 1,
    bundle_hash: BUNDLE,
    catalog_hash: CATALOG,
    mode: 'enforcing',
    trust_level: 'software',
    exposure: 'public',
    ...more,
  };
}

export function opening(sessionId: string, more: Partial<SessionOpen> = {}): SessionOpen {
  return {
    sessionId,
    kind: 'session',
    subject: 'agent-a',
    callerSource: 'bearer',
    exposureClass: 'public',
    detail: commitments(),
    ...more,
  };
}

/** The end of one call. */
export function callDraft(callId: string, more: Partial<EntryDraft> = {}): EntryDraft {
  return {
    ...blankEntry('tool_call', 'call_tool'),
    call_id: callId,
    tool_name: 'echo',
    policy_decision: 'allow',
    session_sensitivity_before: 'public',
    session_sensitivity_after: 'public',
    effective_data_class: 'public',
    detail: { compliance_domain: 'external' },
    ...more,
  };
}

export function exposure(more: Partial<Exposure> = {}): Exposure {
  return { subject: 'agent-a', class: 'public', rank: 0, generation: 0, lastCallMicros: 1, ...more };
}

export function intentOf(sessionId: string, callId: string, more: Partial<Intent> = {}): Intent {
  return {
    callId,
    sessionId,
    method: 'tools/call',
    name: 'echo',
    requestDigest: `sha256:${'d'.repeat(64)}`,
    decision: 'allow',
    timeMicros: 1,
    draft: callDraft(callId, { entry_type: 'fault', policy_decision: 'fault' }),
    exposure: exposure(),
    ...more,
  };
}

/** What a relying party that pins everything, and these keys, concludes. */
export async function appraise(file: string | SessionFile, keys: readonly string[]): Promise<Report> {
  const input = typeof file === 'string' ? readFileSync(file) : stringifyJson(file);
  return verify(input, {
    policyHash: BUNDLE,
    catalogHash: CATALOG,
    acceptSoftware: true,
    keys: keys.map((x) => ({ x, source: 'test' })),
  });
}

export function failures(report: Report): string[] {
  return report.checks.filter((check) => check.outcome === 'failed').map((check) => `${check.id}: ${check.detail}`);
}

/** A clock that a test moves. */
export class TestClock implements Clock {
  micros = 1_790_000_000_000_000;
  nowMicros(): number {
    return this.micros++;
  }
}

/** A deferred answer of a store's disk. */
interface Sync {
  batch: CommitBatch;
  succeed(): void;
  fail(error: Error): void;
}

/**
 * A store in memory. What `commit` was given is kept only when its sync succeeds; with `manual`, the test decides when, and
 * whether. A crash is to stop using the log and to open another one on the same store.
 */
export class MemoryStore implements AuditStore {
  manual = false;
  readonly syncs: Sync[] = [];
  closed = false;
  rows = {
    sessions: new Map<string, StoredSession>(),
    entries: [] as { sessionId: string; entry: AuditEntry }[],
    checkpoints: [] as Checkpoint[],
    intents: new Map<string, Intent>(),
    exposures: new Map<string, Exposure>(),
    salts: [] as { callId: string; sessionId: string; sealed: Uint8Array }[],
    claims: [] as StoredClaim[],
    evidence: new Map<string, SessionEvidence>(),
    standings: new Map<string, { text: string; tag: string }>(),
  };

  async commit(batch: CommitBatch): Promise<void> {
    if (this.closed) throw new Error('the store is closed');
    const kept = structuredClone(batch);
    const settled = Promise.withResolvers<void>();
    this.syncs.push({
      batch: kept,
      succeed: () => {
        this.#keep(kept);
        settled.resolve();
      },
      fail: (error) => settled.reject(error),
    });
    if (!this.manual) this.syncs.at(-1)?.succeed();
    return settled.promise;
  }

  #keep(batch: CommitBatch): void {
    const { rows } = this;
    for (const session of batch.sessions) rows.sessions.set(session.sessionId, session);
    for (const intent of batch.intents) rows.intents.set(intent.callId, intent);
    for (const callId of batch.settled) rows.intents.delete(callId);
    for (const row of batch.exposures) rows.exposures.set(row.subject, row);
    rows.entries.push(...batch.entries);
    rows.checkpoints.push(...batch.checkpoints);
    rows.salts.push(...batch.salts);
    rows.claims.push(...batch.claims);
    for (const { name, text, tag } of batch.standings) rows.standings.set(name, { text, tag });
    for (const { sessionId, evidence } of batch.evidence) {
      if (evidence === null) rows.evidence.delete(sessionId);
      else rows.evidence.set(sessionId, evidence);
    }
  }

  async standing(name: string): Promise<{ text: string; tag: string } | null> {
    return this.rows.standings.get(name) ?? null;
  }
  async openSessions(): Promise<StoredSession[]> {
    return [...this.rows.sessions.values()].filter((session) => session.state === 'open');
  }
  async allSessions(): Promise<SessionRow[]> {
    return [...this.rows.sessions.values()].map((session) => ({
      ...session,
      subject: subjectOf(session.exposedAs),
      entries: this.rows.entries.filter((row) => row.sessionId === session.sessionId).length,
      claimNumber: this.#claimOf(session.sessionId)?.number ?? null,
    }));
  }
  async entries(sessionId: string): Promise<AuditEntry[]> {
    return structuredClone(this.rows.entries.filter((row) => row.sessionId === sessionId).map((row) => row.entry));
  }
  async checkpoints(sessionId: string): Promise<Checkpoint[]> {
    return structuredClone(this.rows.checkpoints.filter((row) => row.session_id === sessionId));
  }
  async intents(sessionId: string): Promise<Intent[]> {
    return structuredClone([...this.rows.intents.values()].filter((row) => row.sessionId === sessionId));
  }
  async exposures(): Promise<Exposure[]> {
    return structuredClone([...this.rows.exposures.values()]);
  }
  async claim(sessionId: string): Promise<StoredClaim | null> {
    return structuredClone(this.#claimOf(sessionId) ?? null);
  }
  async lastClaim(): Promise<StoredClaim | null> {
    return structuredClone(this.rows.claims.at(-1) ?? null);
  }
  async salts(sessionId: string): Promise<{ callId: string; sealed: Uint8Array }[]> {
    return this.rows.salts.filter((row) => row.sessionId === sessionId);
  }
  async evidence(sessionId: string): Promise<SessionEvidence | null> {
    return structuredClone(this.rows.evidence.get(sessionId) ?? null);
  }
  async close(): Promise<void> {
    this.closed = true;
  }

  #claimOf(sessionId: string): StoredClaim | undefined {
    return this.rows.claims.findLast((row) => row.sessionId === sessionId);
  }
}
