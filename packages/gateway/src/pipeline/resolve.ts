import type { CatalogTool } from '../catalog/types.ts';
import { asciiName } from '../claim.ts';
import { GatewayError } from '../errors.ts';
import type { ToolCall } from '../mcp/types.ts';
import { type Ranks, rankOf } from '../policy/sensitivity.ts';
import { higher, type Sensitivity } from '../session/exposure.ts';
import type { PathDeps } from './deps.ts';
import { requireUnchanged } from './drift.ts';
import type { CallRecord } from './record.ts';

/** Against the approved catalog only: no traffic before the policy has decided (defect W-32). */
export function resolve(deps: PathDeps, record: CallRecord, request: ToolCall): CatalogTool {
  const tool = record.session.authority.catalog.resolve(request.name);
  if (tool === null) throw new GatewayError('TOOL_NOT_IN_CATALOG', `no tool ${record.name}`);
  record.tool = tool;
  record.effective = effectiveClass(deps.ranks, tool, request.dataClass);
  requireUnchanged(record, tool);
  return tool;
}

function effectiveClass(ranks: Ranks, tool: CatalogTool, declared: string | null): Sensitivity {
  const approved: Sensitivity = { class: tool.sensitivity, rank: rankOf(ranks, tool.sensitivity) };
  if (declared === null) return approved;
  if (!ranks.has(declared)) throw new GatewayError('UNKNOWN_DATA_CLASS', `label ${asciiName(declared)}`);
  return higher(approved, { class: declared, rank: rankOf(ranks, declared) });
}
