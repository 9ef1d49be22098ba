import type { JsonObject } from '@cmcp/evidence';
import type { Notice } from '../../mcp/types.ts';
import { Passages, pathOf } from '../passages.ts';

/** One text of a notice. */
export interface SaidText {
  /** Texts of one channel are read one after another: the messages of progress, or what logs say at one place. */
  channel: string;
  path: readonly (string | number)[];
  text: string;
}

/** The words of a notice as JSON, which is what is looked through and rewritten. Null: it has none. */
export function saidOf(notice: Notice): JsonObject | null {
  if (notice.kind === 'progress') return notice.message === null ? null : { message: notice.message };
  return { ...(notice.logger === null ? {} : { logger: notice.logger }), data: notice.data };
}

/** The notice with other words. */
export function saying(notice: Notice, said: JsonObject): Notice {
  const { message, logger, data } = said;
  if (notice.kind === 'progress') return { ...notice, message: typeof message === 'string' ? message : null };
  return { ...notice, logger: typeof logger === 'string' ? logger : null, data: data ?? null };
}

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
