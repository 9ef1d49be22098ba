import { existsSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditEntry, type Expectations, type Report, type SessionFile, verify } from '@cmcp/evidence';
import type { StartedGateway } from '@cmcp/gateway';

/** The stored file of a closed session. */
export async function sessionFile(started: StartedGateway, sessionId: string): Promise<SessionFile> {
  return JSON.parse(await sessionText(started, sessionId)) as SessionFile;
}

export async function sessionText(started: StartedGateway, sessionId: string): Promise<string> {
  return readFile(join(started.sessionsFolder, `${sessionId}.cmcp.json`), 'utf8');
}

/** Resolves when the file of a closed session is there. */
export async function closedFile(started: StartedGateway, sessionId: string): Promise<void> {
  const path = join(started.sessionsFolder, `${sessionId}.cmcp.json`);
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (!existsSync(path)) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(started.sessionsFolder, look);
    look();
  });
}

/** Entries of a closed session that account for a call. */
export async function callEntries(started: StartedGateway, sessionId: string): Promise<AuditEntry[]> {
  const { bundle } = await sessionFile(started, sessionId);
  return bundle.entries.filter((entry) => ['tool_call', 'egress_denied', 'fault'].includes(entry.entry_type));
}

/** Everything that a relying party can pin of a gateway that ran with a software key. */
export function pins(started: StartedGateway): Expectations {
  return {
    acceptSoftware: true,
    keys: [{ x: started.publicKey, source: 'test' }],
    policyHash: started.policyHash,
    catalogHash: started.catalogHash,
  };
}

export async function verifyStored(started: StartedGateway, sessionId: string): Promise<Report> {
  return verify(await sessionText(started, sessionId), pins(started));
}
