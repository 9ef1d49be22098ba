import type { Place } from './clues.ts';
import type { Folding } from './folding.ts';
import type { Turn } from './stems.ts';

/** Part of a text as rules read it, and where each unit of that stands in the text. */
export interface Window {
  text: string;
  /** The span in the text that a span of the window covers. */
  span(start: number, end: number): { start: number; end: number };
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const BAR = 0x7c;
const BACKSLASH = 0x5c;
/** Units of a window on either side of what was looked for, and units of the text that are read for them. */
const REACH = 400;
const REACH_RAW = 1700;
const REACH_SPLIT = 1700;

/**
 * What stands around a place in one spelling and turn, with each run of white space as one (D-32). A bar between lines is the border of
 * two members. A text begins and ends with a line break.
 */
export function windowOf(text: string, place: Place, folding: Folding, turn: Turn): Window {
  const reach = place.isSplit ? REACH_SPLIT : REACH;
  const from = outward(text, place.from, -1, reach);
  const to = outward(text, place.to, 1, reach);
  const units = new Uint16Array(to - from + 2);
  const origins = new Int32Array(to - from + 2);
  let size = 0;
  if (from === 0) units[size++] = NEWLINE;
  for (let index = from; index < to; index += 1) {
    const isEscaped = isBreak(text, index) || isBreak(text, index - 1);
    const unit = isEscaped ? NEWLINE : (folding[text.charCodeAt(index)] ?? 0);
    const last = size === 0 ? 0 : (units[size - 1] ?? 0);
    const isBlank = unit === SPACE || (unit >= 9 && unit <= 13) || (unit === BAR && last === NEWLINE);
    if (isBlank && (last === SPACE || last === NEWLINE)) {
      if (unit === NEWLINE) units[size - 1] = NEWLINE;
      continue;
    }
    units[size] = isBlank ? (unit === NEWLINE || unit === 13 ? NEWLINE : SPACE) : turn.rotated ? rotate(unit) : unit;
    origins[size] = index;
    size += 1;
  }
  if (to === text.length && to > 0) {
    units[size] = NEWLINE;
    origins[size] = to - 1;
    size += 1;
  }
  return turned(units.subarray(0, size), origins.subarray(0, size), turn.reversed);
}

/** The letters of a window alone. */
export function lettersOf(window: Window): Window {
  const places: number[] = [];
  let text = '';
  for (let index = 0; index < window.text.length; index += 1) {
    const unit = window.text.charCodeAt(index);
    if (unit < 0x61 || unit > 0x7a) continue;
    places.push(index);
    text += window.text[index];
  }
  const last = window.text.length;
  return {
    text,
    span: (start, end) => window.span(places[start] ?? last, (places[end - 1] ?? last - 1) + 1),
  };
}

/** Whether a line break or a tab stands there as strings of JSON and of programs write it: `\n`. */
function isBreak(text: string, at: number): boolean {
  if (text.charCodeAt(at) !== BACKSLASH) return false;
  const next = text.charAt(at + 1);
  return next === 'n' || next === 'r' || next === 't';
}

/** The offset in the text where so many units are passed, a run of white space being one. */
function outward(text: string, from: number, step: 1 | -1, reach: number): number {
  const edge = step === 1 ? Math.min(text.length, from + REACH_RAW) : Math.max(0, from - REACH_RAW);
  let left = reach;
  let wasBlank = false;
  let at = from;
  while (at !== edge && left > 0) {
    const unit = text.charCodeAt(step === 1 ? at : at - 1);
    const isBlank = unit === SPACE || (unit >= 9 && unit <= 13);
    if (!isBlank || !wasBlank) left -= 1;
    wasBlank = isBlank;
    at += step;
  }
  return at;
}

function turned(units: Uint16Array, origins: Int32Array, isReversed: boolean): Window {
  if (isReversed) units.reverse();
  const text = Buffer.from(units.buffer, units.byteOffset, units.byteLength).toString('utf16le');
  const { length } = units;
  const span = (start: number, end: number) => ({ start: origins[start] ?? 0, end: (origins[end - 1] ?? 0) + 1 });
  return { text, span: isReversed ? (start, end) => span(length - end, length - start) : span };
}

function rotate(unit: number): number {
  return unit >= 0x61 && unit <= 0x7a ? ((unit - 0x61 + 13) % 26) + 0x61 : unit;
}
