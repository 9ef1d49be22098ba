import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type Answer, releasable } from '../inspection/response.ts';
import { checkStructure, checkTaskStructure, type StructureCheck } from '../inspection/schema/check-structure.ts';
import { classesIn } from '../inspection/schema/classes-in.ts';
import type { Structure } from '../inspection/schema/structure.ts';
import type { SchemaMode } from '../inspection/types.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** The answer once it was held against the approved form, and why it is to be withheld. */
export interface Structured {
  answer: Answer;
  refusal: GatewayError | null;
}

/** Holds a tool's answer against its approved schema (MCP26-37). */
export function structured({ inspected }: CallRecord, plan: Plan, answer: Answer, mode: SchemaMode): Structured {
  const checked = checkOf(plan, answer, mode);
  if (checked === null || answer.kind !== 'result') return { answer, refusal: null };
  inspected.ran('schema');
  const { result, surplus, violation } = checked;
  inspected.surplus(surplus, result !== answer.result);
  const left = result === answer.result || !inspected.applied ? answer : releasable(result, answer.type);
  if (violation === null && !(mode === 'strict' && surplus > 0)) return { answer: left, refusal: null };
  inspected.came('schema_violation');
  return { answer: left, refusal: refusalFor(violation) };
}

/** @throws GatewayError RESPONSE_SCHEMA_VIOLATION when what was taken out was needed */
export function requireFits({ inspected }: CallRecord, plan: Plan, answer: Answer): void {
  const violation = checkOf(plan, answer, 'log')?.violation ?? null;
  if (violation === null) return;
  inspected.came('schema_violation');
  throw new GatewayError('RESPONSE_SCHEMA_VIOLATION', `once something was taken out: ${violation}`);
}

function refusalFor(violation: string | null): GatewayError {
  return violation === null
    ? new GatewayError('RESPONSE_SCHEMA_VIOLATION_STRICT', 'it has members that the schema does not name')
    : new GatewayError('RESPONSE_SCHEMA_VIOLATION', violation);
}

function checkOf(plan: Plan, answer: Answer, mode: SchemaMode): StructureCheck | null {
  const structure = structureOf(plan);
  if (structure === null || answer.kind !== 'result' || answer.type === 'task') return null;
  if (plan.method === 'tools/call') return checkStructure(structure, answer.result, mode);
  return plan.method === 'tasks/get' ? checkTaskStructure(structure, answer.result, mode) : null;
}

/** What approved structure an answer has: that of the tool; a resource or a prompt has none. */
function structureOf({ asked }: Plan): Structure | null {
  return 'tool' in asked ? asked.tool.structure : null;
}

/** The labels that the approved schema gives to what is there in an answer. */
export function labelsIn(plan: Plan, answer: Answer): string[] {
  const structure = structureOf(plan);
  const content = structure === null || answer.kind !== 'result' ? undefined : structuredIn(plan, answer.result);
  return structure === null || content === undefined ? [] : classesIn(structure, content).map(({ label }) => label);
}

function structuredIn({ method }: Plan, result: JsonObject): JsonObject[string] | undefined {
  if (method === 'tools/call') return member(result, 'structuredContent');
  const inner = method === 'tasks/get' ? member(result, 'result') : undefined;
  return isObject(inner) ? member(inner, 'structuredContent') : undefined;
}
