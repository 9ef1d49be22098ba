import type { Sight } from '../inspection/redaction/apply.ts';
import { ClassSight } from '../inspection/redaction/class-sight.ts';
import { PathSight } from '../inspection/redaction/path-sight.ts';
import { type Answer, releasable } from '../inspection/response.ts';
import type { SchemaView } from '../inspection/schema/schema-view.ts';
import { enforces } from '../policy/mode.ts';
import type { Redaction } from '../policy/redaction.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';
import { Redactor } from './redactor.ts';

/**
 * The answer without what the decisions on it say is to be removed, and how much that was. What a redaction cannot be carried out on
 * is withheld as a whole, never passed. A mode that does not enforce passes everything, and counts.
 */
export function redact(deps: PathDeps, record: CallRecord, plan: Plan, answer: Answer): Answer {
  // What a server asks is decided by itself, as what it is.
  if (record.redactions.length === 0 || answer.kind === 'asks') return answer;
  const applied = enforces(deps.config.mode);
  if (answer.kind === 'error') {
    record.redacted = { fields: 0, parts: 1, applied };
    return applied ? { ...answer, upstream: null } : answer;
  }
  const redactor = new Redactor(sightsOf(record.redactions, approvedView(plan), deps.ranks));
  const isTask = answer.type === 'task' || plan.method === 'tasks/get';
  const result = redactor.answer(plan, answer.result, isTask);
  record.redacted = { ...redactor.removed, applied };
  return applied ? releasable(result, answer.type) : answer;
}

function sightsOf(redactions: readonly Redaction[], view: SchemaView | null, ranks: Ranks): Sight[] {
  const paths = redactions.flatMap((redaction) => (redaction.kind === 'path' ? [redaction.steps] : []));
  const classes = redactions.flatMap((redaction) => (redaction.kind === 'class' ? [redaction.label] : []));
  return [new PathSight(paths), ...classes.map((label) => ClassSight.of(view, label, ranks))];
}

/** What approved structure an answer has: that of the tool; a resource or a prompt has none. */
function approvedView({ asked }: Plan): SchemaView | null {
  return 'tool' in asked && asked.tool.structure !== null ? asked.tool.structure.view : null;
}
