import { blankEntry } from '../audit/blank.ts';
import type { CatalogTool } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import type { PathDeps } from './deps.ts';
import type { CallRecord } from './record.ts';

/** @throws GatewayError CATALOG_DRIFT when the tool is known to have departed from what was approved */
export function requireUnchanged(record: CallRecord, tool: CatalogTool): void {
  const drift = record.session.authority.live.drift(tool);
  if (drift === null) return;
  record.drift = drift;
  throw new GatewayError('CATALOG_DRIFT', `${drift.kind}: ${drift.classification}`);
}

/** A chain says once that a tool drifted, before the first call that was refused for it. */
export async function recordDrift(deps: PathDeps, { session, tool, drift, before }: CallRecord): Promise<void> {
  if (tool === null || drift === null || session.driftRecorded.has(tool.name)) return;
  session.driftRecorded.add(tool.name);
  await deps.log.append(session.id, {
    ...blankEntry('catalog_drift', 'call_tool'),
    tool_name: tool.name,
    server_identity: tool.server.identity,
    policy_rule_matched: 'catalog_drift',
    session_sensitivity_before: before.class,
    session_sensitivity_after: before.class,
    detail: { kind: drift.kind, classification: drift.classification, source: 'upstream' },
  });
}
