import { JsonNumber, type JsonObject, type JsonValue } from '@cmcp/evidence';
import type { Notice } from '../../mcp/types.ts';
import { Passages, pathOf } from '../passages.ts';

/** One text of a notice. */
export interface SaidText {
  /** Texts of one channel are read one after another: the messages of progress, or what logs say at one place. */
  channel: string;
  path: readonly (string | number)[];
  text: string;
}

/** What a notice says as JSON, which is what is looked through, remembered and rewritten. */
export function saidOf(notice: Notice): JsonObject {
  if (notice.kind === 'log') return { ...(notice.logger === null ? {} : { logger: notice.logger }), data: notice.data };
  const { progress, total, message } = notice;
  return {
    ...(message === null ? {} : { message }),
    progress: numberOf(progress),
    ...(total === null ? {} : { total: numberOf(total) }),
  };
}

/** Whether it says only how far something is: nothing can be split over such notices that reads as one. */
export const isWordless = (notice: Notice): boolean => notice.kind === 'progress' && notice.message === null;

/** The notice with what is left of what it says. */
export function saying(notice: Notice, said: JsonObject): Notice {
  const { progress, total, message, logger, data } = said;
  if (notice.kind === 'log')
    return { ...notice, logger: typeof logger === 'string' ? logger : null, data: data ?? null };
  return {
    kind: 'progress',
    progress: left(notice.progress, progress),
    total: notice.total === null ? null : left(notice.total, total),
    message: typeof message === 'string' ? message : null,
  };
}

/** What was taken out is 0. */
const left = (number: number, said: JsonValue | undefined): number => (said === undefined || said === 0 ? 0 : number);

/** No number at all is shown to nobody, and is nothing to look through. */
const numberOf = (value: number): JsonValue =>
  Number.isSafeInteger(value) ? value : new JsonNumber(String(Number.isFinite(value) ? value : 0));

/** What is read of a notice together with what was said before it and after it. */
export function textsOf(notice: Notice, said: JsonObject): SaidText[] {
  const texts: SaidText[] = [];
  for (const { place, kind, text } of new Passages(said)) {
    if (kind !== 'text' || text === '') continue;
    const path = pathOf(place);
    texts.push({ channel: `${notice.kind} ${JSON.stringify(path)}`, path, text });
  }
  return texts;
}
