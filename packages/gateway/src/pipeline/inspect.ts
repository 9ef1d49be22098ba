import type { CatalogTool } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import type { Answer } from '../inspection/response.ts';
import type { ToolCall } from '../mcp/types.ts';
import { decisionInput, enforce } from './decide.ts';
import type { PathDeps } from './deps.ts';
import { payloadDigest } from './payload-digest.ts';
import type { CallRecord } from './record.ts';

/** The second decision, on the answer. The digest of what came is recorded also when it is withheld. */
export function inspect(
  deps: PathDeps,
  record: CallRecord,
  tool: CatalogTool,
  request: ToolCall,
  answer: Answer,
): void {
  record.responseHash = payloadDigest(record.salt, answer.text);
  const { generation } = deps.exposures.row(record.session.caller.subject);
  // Defect D-47: an operator's reset in the meantime began a new generation, which must not be shown this answer.
  if (generation !== record.generation)
    throw new GatewayError('EGRESS_DENIED', 'the exposure was reset during the call');
  const effective = record.effective ?? record.before;
  const decision = record.session.authority.policy.decide({
    ...decisionInput(deps, record, tool, request),
    response: { sizeBytes: answer.sizeBytes, findings: 0, class: effective.class, classRank: effective.rank },
  });
  if (decision.effect !== 'allow') record.decision = decision;
  enforce(deps, record, decision, 'egress');
}
