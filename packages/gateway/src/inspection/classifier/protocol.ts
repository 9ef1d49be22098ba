import { JsonError, type JsonValue, parseJson } from '@cmcp/evidence';
import { AnswerPlace, Fields } from '../../catalog/fields.ts';
import { GatewayError } from '../../errors.ts';
import { BUILT_IN_LABELS } from '../rules/settings.ts';
import type { TextFinding } from '../types.ts';

/** Kinds that a classifier may find. `concealed` and `link` say how something stands there, which it is not shown. */
const KINDS = ['personal', 'payment', 'health', 'secret', 'injection'] as const;
const RULE = { pattern: /^[a-z][a-z0-9]{0,31}(?:-[a-z0-9]{1,32}){0,7}$/, expected: 'lower-case words joined by "-"' };
const MAX_FINDINGS = 10_000;
const MAX_DEPTH = 8;
export const MAX_ANSWER_BYTES = 1_048_576;

/** What a classifier says of one of the texts that it was sent, by its place among them. */
export interface Classified {
  id: number;
  finding: TextFinding;
}

/** The body of a request: the texts are numbered from 0. */
export function classifierRequest(tool: string, texts: readonly string[]): string {
  return JSON.stringify({ cmcp_classifier: 1, tool, texts: texts.map((text, id) => ({ id, text })) });
}

/**
 * Reads a classifier's answer about `texts`. `isLabel`: whether the vocabulary has a label.
 * @throws GatewayError INSPECTION_FAILED for anything that the protocol does not have
 */
export function readClassified(
  body: Uint8Array,
  texts: readonly string[],
  isLabel: (label: string) => boolean,
): Classified[] {
  const fields = new Fields(
    parsed(body),
    new AnswerPlace((problem) => classifierFailed(`its answer is not one: ${problem}`)),
    ['findings'],
  );
  return fields.array('findings', MAX_FINDINGS).map((item, index) => {
    const place = fields.place.at('findings').at(index);
    return readFinding(new Fields(item, place, ['id', 'start', 'end', 'kind', 'rule', 'label']), texts, isLabel);
  });
}

function readFinding(
  fields: Fields<AnswerPlace>,
  texts: readonly string[],
  isLabel: (label: string) => boolean,
): Classified {
  const id = wholeNumber(fields, 'id');
  const text = texts[id];
  if (text === undefined) throw fields.place.at('id').refuse('is not the id of a text');
  const kind = fields.oneOf('kind', KINDS);
  const label = fields.optionalText('label') ?? BUILT_IN_LABELS[kind];
  if (label !== null && !isLabel(label)) throw fields.place.at('label').refuse('is not a label of the vocabulary');
  const rule = `classifier-${fields.text('rule', RULE)}`;
  return { id, finding: { kind, rule, ...spanOf(fields, text), via: [], label, instead: null } };
}

/** Without offsets the whole text is meant. */
function spanOf(fields: Fields<AnswerPlace>, text: string): { start: number; end: number } {
  if (fields.get('start') === undefined && fields.get('end') === undefined) return { start: 0, end: text.length };
  const [start, end] = [wholeNumber(fields, 'start'), wholeNumber(fields, 'end')];
  if (start >= end || end > text.length) throw fields.place.at('end').refuse('is not a span of the text');
  if (splitsPair(text, start) || splitsPair(text, end)) throw fields.place.refuse('must not cut a character in two');
  return { start, end };
}

function splitsPair(text: string, at: number): boolean {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(Math.max(0, at - 1), at + 1));
}

function wholeNumber(fields: Fields<AnswerPlace>, key: string): number {
  const value = fields.get(key);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw fields.place.at(key).refuse('must be a whole number, 0 or more');
  return value;
}

function parsed(body: Uint8Array): JsonValue {
  try {
    return parseJson(body, { bytes: MAX_ANSWER_BYTES, depth: MAX_DEPTH });
  } catch (error) {
    if (error instanceof JsonError) throw classifierFailed('its answer is not JSON');
    throw error;
  }
}

/** The error of a classifier that has not classified. */
export function classifierFailed(why: string): GatewayError {
  return new GatewayError('INSPECTION_FAILED', `the classifier: ${why}`);
}
