import type { JsonValue } from '@cmcp/evidence';

/** Severities of RFC 5424, least first, as MCP names them. */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Null for anything that is no level. */
export function readLogLevel(value: JsonValue | undefined): LogLevel | null {
  return LOG_LEVELS.find((level) => level === value) ?? null;
}

/** Whether a message of `level` is wanted by whoever asked for `wanted` and above. */
export function isWanted(level: LogLevel, wanted: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(wanted);
}
