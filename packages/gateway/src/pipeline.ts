import { GatewayError } from './errors.ts';
import type { CallOutcome, RefusedMethod, ToolCall } from './mcp/types.ts';
import { admit } from './pipeline/admit.ts';
import { decide } from './pipeline/decide.ts';
import type { PathDeps } from './pipeline/deps.ts';
import { failureOf } from './pipeline/exits.ts';
import { forward } from './pipeline/forward.ts';
import { inspect } from './pipeline/inspect.ts';
import { refuse } from './pipeline/refuse.ts';
import { release } from './pipeline/release.ts';
import { resolve } from './pipeline/resolve.ts';

/**
 * THE PATH of a tool call (architecture rule 1): admit → resolve → decide → forward → inspect → release. Every exit leaves
 * exactly one entry, durable before the reply as contracts section 2 says. Rejects only when the log cannot record.
 */
export async function callTool(deps: PathDeps, request: ToolCall): Promise<CallOutcome> {
  const record = await admit(deps, request, request.name, request.arguments);
  try {
    const tool = resolve(deps, record, request);
    decide(deps, record, tool, request);
    const answer = await forward(deps, record, tool, request);
    inspect(deps, record, tool, request, answer);
    return await release(deps, record, answer);
  } catch (thrown) {
    return await refuse(deps, record, 'call_tool', failureOf(thrown));
  } finally {
    deps.exposures.drop(record.session.caller.subject, record.callId);
    deps.sessions.leave(record.session);
  }
}

/** Any other method: not governed yet, hence refused, and entered as such. */
export async function refuseMethod(deps: PathDeps, request: RefusedMethod): Promise<CallOutcome> {
  const record = await admit(deps, { ...request, workflow: null }, request.method, request.params);
  try {
    return await refuse(deps, record, record.name, new GatewayError('METHOD_NOT_GOVERNED', `method ${record.name}`));
  } finally {
    deps.sessions.leave(record.session);
  }
}
