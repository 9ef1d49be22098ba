import { parentPort, workerData } from 'node:worker_threads';
import { GatewayError } from '../errors.ts';
import { openAuditLogInProcess } from './in-process.ts';
import {
  type AttestReply,
  answer,
  failureOf,
  type Hello,
  type Reply,
  type Request,
  type WorkerStart,
} from './protocol.ts';
import { RemotePlatform } from './remote-attest.ts';
import { openSqliteStore } from './stores/sqlite.ts';
import type { AuditLog } from './types.ts';

/*
 * The log worker: the only thread that holds the claim key and the store. Requests arrive in batches and are started in
 * order, without waiting for one another; replies leave in batches, as commits complete.
 */

async function open({ attested, ...options }: WorkerStart): Promise<AuditLog> {
  const store = openSqliteStore(options.dataDir);
  try {
    return await openAuditLogInProcess({
      ...options,
      store,
      ...(attested ? { attest: (bound) => platform.attest(bound) } : {}),
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

if (parentPort === null) throw new GatewayError('INTERNAL_ERROR', 'the log worker was not started as a worker');
const port = parentPort;
const platform = new RemotePlatform((request) => port.postMessage(request));
let replies: Reply[] = [];

function reply(one: Reply): void {
  if (replies.length === 0) {
    // After the other replies of the same commit.
    setImmediate(() => {
      port.postMessage(replies);
      replies = [];
    });
  }
  replies.push(one);
}

let log: AuditLog | null = null;

port.on('message', (message: Request[] | AttestReply) => {
  if (!Array.isArray(message)) return platform.settle(message);
  // Nothing is asked of the log before it has said that it serves.
  for (const request of message) if (log !== null) void answer(log, request).then(reply);
});

try {
  log = await open(workerData as WorkerStart);
  port.postMessage({ publicKey: log.publicKey, recovered: log.recovered } satisfies Hello);
} catch (error) {
  port.postMessage({ failure: failureOf(error) } satisfies Hello);
}
