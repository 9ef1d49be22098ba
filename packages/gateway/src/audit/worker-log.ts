import { Worker } from 'node:worker_threads';
import type { SessionFile } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { Attest } from './evidence.ts';
import type { AuditLogOptions } from './in-process.ts';
import {
  type AttestReply,
  type AttestRequest,
  failureOf,
  type Hello,
  type Reply,
  type Request,
  readSessionFile,
  type Serving,
  type WorkerStart,
} from './protocol.ts';
import type {
  AuditLog,
  CallSalt,
  ClosedSession,
  EntryReceipt,
  Exposure,
  RecoveredSession,
  SessionRow,
} from './types.ts';

interface Pending {
  resolve(value: unknown): void;
  reject(error: GatewayError): void;
}

/**
 * Opens the audit log of a data folder in a worker thread of its own: chain, claim key, store and syncs live there. Sessions
 * that a dead holder left open are recovered before it resolves.
 *
 * @throws GatewayError STORE_IN_USE, STORE_INVALID, AUDIT_UNAVAILABLE
 */
export async function openAuditLog(options: AuditLogOptions, attest: Attest | null = null): Promise<AuditLog> {
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  const { dataDir, ranks, gatewayVersion, storeKey } = options;
  const given = { dataDir, ranks, gatewayVersion, ...(storeKey === undefined ? {} : { storeKey }) };
  const start: WorkerStart = { ...given, attested: attest !== null };
  const worker = new Worker(new URL(file, import.meta.url), { workerData: start });
  const hello = await firstMessage(worker, attest);
  if ('failure' in hello) {
    await worker.terminate();
    throw new GatewayError(hello.failure.code, hello.failure.detail);
  }
  return new WorkerLog(worker, hello, attest);
}

/** What the worker says first of itself; before, it may ask for evidence. A worker that ends or fails before is no log. */
function firstMessage(worker: Worker, attest: Attest | null): Promise<Hello> {
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown): void => {
      const detail = cause instanceof Error ? `: ${cause.message}` : '';
      reject(new GatewayError('AUDIT_UNAVAILABLE', `the log worker did not start${detail}`, { cause }));
    };
    const ended = (): void => failed();
    const heard = (message: Hello | AttestRequest): void => {
      if ('attest' in message) return void vouch(worker, attest, message);
      worker.off('error', failed).off('exit', ended).off('message', heard);
      resolve(message);
    };
    worker.on('message', heard).once('error', failed).once('exit', ended);
  });
}

/** Asks the platform on behalf of the worker, which has no other way to it. */
async function vouch(worker: Worker, attest: Attest | null, { attest: id, bound }: AttestRequest): Promise<void> {
  const reply = await answerOf(attest, id, bound);
  worker.postMessage(reply);
}

async function answerOf(attest: Attest | null, id: number, bound: Uint8Array): Promise<AttestReply> {
  try {
    if (attest === null) throw new GatewayError('ATTESTATION_FAILED', 'there is no platform to ask');
    return { attest: id, evidence: await attest(bound) };
  } catch (error) {
    return { attest: id, failure: failureOf(error) };
  }
}

/** The log as the calling thread sees it: requests of one turn leave in one message, replies come as commits complete. */
class WorkerLog implements AuditLog {
  readonly publicKey: string;
  readonly recovered: readonly RecoveredSession[];
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #outbox: Request[] = [];
  #nextId = 1;
  /** Set once: the worker died, or was closed. */
  #gone: GatewayError | null = null;
  /** Set once: the log in the worker records nothing any more. */
  #ended: GatewayError | null = null;

  constructor(worker: Worker, { publicKey, recovered }: Serving, attest: Attest | null) {
    this.publicKey = publicKey;
    this.recovered = recovered;
    this.#worker = worker;
    worker.on('message', (message: Reply[] | AttestRequest) => {
      if (!Array.isArray(message)) return void vouch(worker, attest, message);
      for (const reply of message) this.#settle(reply);
    });
    worker.on('error', (error: Error) => this.#end(`the log worker failed: ${error.message}`));
    worker.on('exit', () => this.#end('the log worker ended'));
  }

  get failure(): GatewayError | null {
    return this.#gone ?? this.#ended;
  }

  exposures(): Promise<Exposure[]> {
    return this.#ask((id) => ({ id, method: 'exposures', args: [] }));
  }

  lastClaimHash(): Promise<string | null> {
    return this.#ask((id) => ({ id, method: 'lastClaimHash', args: [] }));
  }

  openSession(...args: Parameters<AuditLog['openSession']>): Promise<EntryReceipt> {
    return this.#ask((id) => ({ id, method: 'openSession', args }));
  }

  refreshEvidence(...args: Parameters<AuditLog['refreshEvidence']>): Promise<void> {
    return this.#ask((id) => ({ id, method: 'refreshEvidence', args }));
  }

  intent(...args: Parameters<AuditLog['intent']>): Promise<void> {
    return this.#ask((id) => ({ id, method: 'intent', args }));
  }

  append(...args: Parameters<AuditLog['append']>): Promise<EntryReceipt> {
    return this.#ask((id) => ({ id, method: 'append', args }));
  }

  standing(...args: Parameters<AuditLog['standing']>): Promise<string | null> {
    return this.#ask((id) => ({ id, method: 'standing', args }));
  }

  closeSession(...args: Parameters<AuditLog['closeSession']>): Promise<ClosedSession> {
    return this.#ask((id) => ({ id, method: 'closeSession', args }));
  }

  sessions(): Promise<SessionRow[]> {
    return this.#ask((id) => ({ id, method: 'sessions', args: [] }));
  }

  async exportSession(...args: Parameters<AuditLog['exportSession']>): Promise<SessionFile> {
    return readSessionFile(await this.#ask<string>((id) => ({ id, method: 'exportSession', args })));
  }

  salts(...args: Parameters<AuditLog['salts']>): Promise<CallSalt[]> {
    return this.#ask((id) => ({ id, method: 'salts', args }));
  }

  signStatement(...args: Parameters<AuditLog['signStatement']>): Promise<string> {
    return this.#ask((id) => ({ id, method: 'signStatement', args }));
  }

  recordAnchor(...args: Parameters<AuditLog['recordAnchor']>): Promise<void> {
    return this.#ask((id) => ({ id, method: 'recordAnchor', args }));
  }

  /** Also resolves when the worker is gone already: then there is nothing left to flush or to release. */
  async close(): Promise<void> {
    if (this.#gone !== null) return;
    await this.#ask<void>((id) => ({ id, method: 'close', args: [] }));
    this.#end('the audit log is closed');
    await this.#worker.terminate();
  }

  /** Posts what `request` makes of a fresh id. The type of the answer is that of the operation. */
  #ask<T>(request: (id: number) => Request): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#gone !== null) return reject(this.#gone);
      const id = this.#nextId++;
      this.#pending.set(id, { resolve: (value) => resolve(value as T), reject });
      if (this.#outbox.length === 0) queueMicrotask(() => this.#post());
      this.#outbox.push(request(id));
    });
  }

  #post(): void {
    const requests = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(requests);
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    if (!('failure' in reply)) {
      pending.resolve(reply.value);
      return;
    }
    const error = new GatewayError(reply.failure.code, reply.failure.detail);
    if (reply.ended) this.#ended ??= error;
    pending.reject(error);
  }

  #end(detail: string): void {
    this.#gone ??= new GatewayError('AUDIT_UNAVAILABLE', detail);
    for (const pending of this.#pending.values()) pending.reject(this.#gone);
    this.#pending.clear();
  }
}
