import type { Intent } from '../audit/types.ts';
import type { CatalogTool } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { type Answer, releasable, releasableError } from '../inspection/response.ts';
import type { ToolCall } from '../mcp/types.ts';
import { higher } from '../session/exposure.ts';
import { type UpstreamResult, UpstreamRpcError } from '../upstream/types.ts';
import type { PathDeps } from './deps.ts';
import { requireUnchanged } from './drift.ts';
import { exitOf } from './exits.ts';
import { type CallRecord, entryOf } from './record.ts';

/** Sends the decided values to the pinned server, after what must be durable before it is (contracts section 2). */
export async function forward(
  deps: PathDeps,
  record: CallRecord,
  tool: CatalogTool,
  request: ToolCall,
): Promise<Answer> {
  const strict = deps.config.audit.durability === 'strict';
  if (strict && tool.effects !== 'read') await deps.log.intent(intentOf(deps, record, tool));
  // From this look at the server's definitions to the first byte of the call, nothing is awaited.
  const upstream = await record.session.authority.live.compared(tool);
  requireUnchanged(record, tool);
  if (request.signal.aborted) throw new GatewayError('CALL_CANCELLED', 'before it was sent');
  const answered = upstream.callTool({
    callId: record.callId,
    tool: tool.upstreamName,
    arguments: request.arguments,
    inputSchema: tool.inputSchema,
    signal: request.signal,
  });
  // Batched durability syncs the intent while the server works; both must be done before a reply.
  const intended = strict ? null : deps.log.intent(intentOf(deps, record, tool));
  const [answer] = await Promise.all([answerOf(answered), intended]);
  return answer;
}

async function answerOf(answered: Promise<UpstreamResult>): Promise<Answer> {
  try {
    return releasable((await answered).result);
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || !(thrown.cause instanceof UpstreamRpcError)) throw thrown;
    return releasableError(thrown, thrown.cause);
  }
}

function intentOf(deps: PathDeps, record: CallRecord, tool: CatalogTool): Intent {
  const { subject } = record.session.caller;
  const effective = record.effective ?? record.before;
  const row = deps.exposures.row(subject);
  const after = higher(row, effective);
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
