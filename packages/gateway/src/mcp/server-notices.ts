import { JsonNumber, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { readLogLevel } from './log-level.ts';
import type { ChangeKind, Notice } from './types.ts';

export const PROGRESS = 'notifications/progress';
export const LOG_MESSAGE = 'notifications/message';
export const RESOURCE_UPDATED = 'notifications/resources/updated';
export const CANCELLED = 'notifications/cancelled';

const LIST_CHANGED: ReadonlyMap<string, ChangeKind> = new Map([
  ['notifications/tools/list_changed', 'tools'],
  ['notifications/resources/list_changed', 'resources'],
  ['notifications/prompts/list_changed', 'prompts'],
]);

/** The list that a notification says has changed, or null. */
export const changedList = (method: string): ChangeKind | null => LIST_CHANGED.get(method) ?? null;

/** What `notifications/progress` says; null when it is malformed. */
export function readProgress(params: JsonObject): Extract<Notice, { kind: 'progress' }> | null {
  const progress = readNumber(member(params, 'progress'));
  const total = member(params, 'total');
  const message = member(params, 'message');
  const outOf = total === undefined ? null : readNumber(total);
  if (progress === null || (total !== undefined && outOf === null)) return null;
  if (message !== undefined && typeof message !== 'string') return null;
  return { kind: 'progress', progress, total: outOf, message: message ?? null };
}

/** What `notifications/message` says; null when it is malformed. */
export function readLogMessage(params: JsonObject): Extract<Notice, { kind: 'log' }> | null {
  const level = readLogLevel(member(params, 'level'));
  const logger = member(params, 'logger');
  const data = member(params, 'data');
  if (level === null || data === undefined) return null;
  if (logger !== undefined && typeof logger !== 'string') return null;
  return { kind: 'log', level, logger: logger ?? null, data };
}

/** Progress may be a fraction, which the strict parser keeps as it was written. */
function readNumber(value: JsonValue | undefined): number | null {
  const number = value instanceof JsonNumber ? Number(value.lexeme) : value;
  return typeof number === 'number' ? number : null;
}
