import type { Intent } from '../audit/types.ts';
import type { CatalogTool } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { type ReleasableResult, releasable } from '../inspection/response.ts';
import type { ToolCall } from '../mcp/types.ts';
import { higher } from '../session/exposure.ts';
import type { PathDeps } from './deps.ts';
import { exitOf } from './exits.ts';
import { type CallRecord, entryOf } from './record.ts';

/** Sends the decided values to the pinned server, after what must be durable before it is (contracts section 2). */
export async function forward(
  deps: PathDeps,
  record: CallRecord,
  tool: CatalogTool,
  request: ToolCall,
): Promise<ReleasableResult> {
  const { live, upstreams } = record.session.authority;
  await live.ensureCompared(tool);
  const drift = live.drift(tool);
  if (drift !== null) throw new GatewayError('CATALOG_DRIFT', `${drift.kind}: ${drift.classification}`);
  const upstream = upstreams.get(tool.server.id);
  if (upstream === undefined) throw new GatewayError('UPSTREAM_UNAVAILABLE', `server ${tool.server.id}`);
  if (request.signal.aborted) throw new GatewayError('CALL_CANCELLED', 'before it was sent');
  const strict = deps.config.audit.durability === 'strict';
  const intended = strict && tool.effects === 'read' ? null : deps.log.intent(intentOf(deps, record, tool));
  if (strict) await intended;
  const answered = upstream.callTool({
    callId: record.callId,
    tool: tool.upstreamName,
    arguments: request.arguments,
    inputSchema: tool.inputSchema,
    signal: request.signal,
  });
  // Batched durability syncs the intent while the server works; both must be done before a reply.
  const [{ result }] = await Promise.all([answered, intended]);
  return releasable(result);
}

function intentOf(deps: PathDeps, record: CallRecord, tool: CatalogTool): Intent {
  const { subject } = record.session.caller;
  const effective = record.effective ?? record.before;
  const row = deps.exposures.row(subject);
  const after = higher({ class: row.class, rank: row.rank }, effective);
  return {
    callId: record.callId,
    sessionId: record.session.id,
    method: 'tools/call',
    name: tool.name,
    requestDigest: record.requestHash,
    decision: record.wouldHaveDenied ? 'advisory_deny' : 'allow',
    timeMicros: record.startedMicros,
    draft: entryOf(record, 'call_tool', {
      ...exitOf('OUTCOME_UNKNOWN'),
      rule: 'upstream:OUTCOME_UNKNOWN',
      after,
      latencyMicros: 0,
      detail: { error_code: 'OUTCOME_UNKNOWN' },
    }),
    exposure: { ...row, class: after.class, rank: after.rank, lastCallMicros: record.startedMicros },
  };
}
