import type { JsonValue } from '@cmcp/evidence';
import { prettyJson } from '../setup/pretty-json.ts';

/** A report for machines. Numbers in a request that it quotes are written as they are there: JSON.stringify would spoil them. */
export function reportJson(report: object): string {
  return `${prettyJson(report as JsonValue)}\n`;
}
