import { type AuditEntry, type JsonObject, member } from '@cmcp/evidence';
import type { AuditLog } from '../audit/types.ts';
import type { Drift } from './live.ts';

/** A drift that outlives its finder: an item of the catalog by its name, or the instructions of a server. */
export type KnownDrift = { server: string } & (
  | ({ of: 'tool' | 'prompt'; name: string } & Drift)
  | { of: 'instructions' }
);

/** `upstream`: the server said something else. `recalled`: it did in an earlier run of the gateway. */
export type DriftSource = 'upstream' | 'recalled';

/** The `detail` of the entry in the gateway chain, which {@link recallDrift} reads again. */
export function driftDetail(known: KnownDrift, source: DriftSource, catalogHash: string): JsonObject {
  const { server } = known;
  const found =
    known.of === 'instructions'
      ? { server, kind: 'definition_changed', classification: 'instructions' }
      : { [known.of]: known.name, server, kind: known.kind, classification: known.classification };
  return { ...found, source, catalog_hash: catalogHash };
}

/** For operators. */
export function driftText(known: KnownDrift): string {
  if (known.of === 'instructions') return `${known.server}: definition_changed (instructions)`;
  return `${known.name}: ${known.kind} (${known.classification})`;
}

/**
 * What earlier runs on this store found to have drifted from the catalog that is active again: a server that changed back
 * meanwhile is not served for it (defect W-17). Each chain of the gateway begins with what was recalled and then names its
 * catalog, so that the latest chain that got so far holds everything; those after it ended while they began.
 */
export async function recallDrift(log: AuditLog, catalogHash: string): Promise<KnownDrift[]> {
  const chains = (await log.sessions()).filter(({ kind, claimNumber }) => kind === 'gateway' && claimNumber !== null);
  chains.sort((a, b) => b.openedMicros - a.openedMicros);
  let entries: AuditEntry[] = [];
  for (const { sessionId } of chains) {
    const { bundle } = await log.exportSession(sessionId);
    entries = [...bundle.entries, ...entries];
    if (bundle.entries.some(({ entry_type: type }) => type === 'catalog_load')) break;
  }
  return driftOf(entries, catalogHash);
}

/** Another catalog in between is another approval: what was known before it is settled. */
function driftOf(entries: readonly AuditEntry[], catalogHash: string): KnownDrift[] {
  let known = new Map<string, KnownDrift>();
  for (const { entry_type: type, detail } of entries) {
    const hash = member(detail ?? {}, 'catalog_hash');
    if (type === 'catalog_load' && hash !== catalogHash) known = new Map();
    const drift = type === 'catalog_drift' && hash === catalogHash ? readDrift(detail ?? {}) : null;
    if (drift !== null) known.set(JSON.stringify([drift.of, 'name' in drift ? drift.name : drift.server]), drift);
  }
  return [...known.values()];
}

function readDrift(detail: JsonObject): KnownDrift | null {
  const { server, tool, prompt, kind, classification } = detail;
  if (typeof server !== 'string') return null;
  const name = tool ?? prompt;
  if (typeof name !== 'string') return { server, of: 'instructions' };
  return {
    server,
    of: typeof tool === 'string' ? 'tool' : 'prompt',
    name,
    kind: kind === 'withdrawn' ? 'withdrawn' : 'definition_changed',
    classification: String(classification),
  };
}
