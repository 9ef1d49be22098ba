import { blankEntry } from '../audit/blank.ts';
import { provenanceDetail } from '../upstream/provenance.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** A session says of each server that it used who vouches for it, once, and again when that changes (W-30). */
export async function recordProvenance(deps: PathDeps, { session }: CallRecord, { item }: Plan): Promise<void> {
  const { server } = item;
  const verdict = session.authority.live.provenance(server);
  if (verdict === null) return;
  const said = `${server.id} ${verdict.outcome}`;
  if (session.provenanceRecorded.has(said)) return;
  session.provenanceRecorded.add(said);
  await deps.log.append(session.id, {
    ...blankEntry('gateway_event', 'server.provenance'),
    server_identity: server.identity,
    detail: provenanceDetail(server, verdict),
  });
}
