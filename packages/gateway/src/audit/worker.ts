import { parentPort, workerData } from 'node:worker_threads';
import { GatewayError } from '../errors.ts';
import { type AuditLogOptions, openAuditLogInProcess } from './in-process.ts';
import { answer, failureOf, type Hello, type Reply, type Request } from './protocol.ts';
import { openSqliteStore } from './stores/sqlite.ts';
import type { AuditLog } from './types.ts';

/*
 * The log worker: the only thread that holds the claim key and the store. Requests arrive in batches and are started in
 * order, without waiting for one another; replies leave in batches, as commits complete.
 */

async function open(options: AuditLogOptions): Promise<AuditLog> {
  const store = openSqliteStore(options.dataDir);
  try {
    return await openAuditLogInProcess({ ...options, store });
  } catch (error) {
    await store.close();
    throw error;
  }
}

if (parentPort === null) throw new GatewayError('INTERNAL_ERROR', 'the log worker was not started as a worker');
const port = parentPort;
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

function serve(log: AuditLog): void {
  port.on('message', (requests: Request[]) => {
    for (const request of requests) {
      void answer(log, request).then(reply);
    }
  });
  port.postMessage({ publicKey: log.publicKey, recovered: log.recovered } satisfies Hello);
}

try {
  serve(await open(workerData as AuditLogOptions));
} catch (error) {
  port.postMessage({ failure: failureOf(error) } satisfies Hello);
}
