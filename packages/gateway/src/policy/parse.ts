import {
  type DetailedError,
  type PolicyJson,
  policySetTextToParts,
  policyToJson,
} from '@cedar-policy/cedar-wasm/nodejs';
import { type BundleText, lineAt, refuseBundle } from './text.ts';

/** One policy of a bundle. */
export interface BundlePolicy {
  /** `policy0`, `policy1`, … over all files in order (wire-formats section 4); in native bundles `@id` where there is one. */
  id: string;
  /** The file, and the 1-based line that the policy begins on, with its annotations. */
  path: string;
  line: number;
  text: string;
  effect: 'permit' | 'forbid';
  annotations: Record<string, string>;
  json: PolicyJson;
}

/**
 * Splits the files into policies. Files are parsed one by one, which gives the same policies as the reference's joined text
 * and tells where an error is.
 *
 * @throws GatewayError POLICY_INVALID with file and line
 */
export function parsePolicies(files: readonly BundleText[]): BundlePolicy[] {
  const texts = files.flatMap((file) => withLines(file, splitFile(file)));
  return texts.map((text, index) => describe(text, `policy${index}`));
}

/** The policies of one file in source order. */
function splitFile(file: BundleText): string[] {
  refuseNesting(file);
  const parts = policySetTextToParts(file.text);
  if (parts.type === 'failure') throw cedarError(file, parts.errors, 'not a Cedar policy');
  if (parts.policy_templates.length > 0) {
    throw refuseBundle(file.path, 'holds a policy template ("?principal" or "?resource"), which nothing would link');
  }
  return inSourceOrder(parts.policies);
}

/** Outside strings and comments. */
const BRACKETS = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|[([{]|[)\]}]/gs;
const MAX_NESTING = 100;

/** Twice as deep, Cedar's parser leaves its memory, and the engine in force with it (LIFE-03). */
function refuseNesting(file: BundleText): void {
  let depth = 0;
  for (const { 0: token, index } of file.text.matchAll(BRACKETS)) {
    if ('([{'.includes(token)) depth += 1;
    else if (')]}'.includes(token)) depth -= 1;
    if (depth <= MAX_NESTING) continue;
    throw refuseBundle(file.path, `brackets nest deeper than ${MAX_NESTING} levels`, lineAt(file.text, index));
  }
}

/** Cedar answers sorted by id as text: policy0, policy1, policy10, … policy2. This puts them back. */
function inSourceOrder(parts: readonly string[]): string[] {
  const ids = parts.map((_, index) => index).sort((a, b) => (`policy${a}` < `policy${b}` ? -1 : 1));
  const ordered: string[] = [];
  for (const [position, index] of ids.entries()) ordered[index] = parts[position] ?? '';
  return ordered;
}

/** What may stand between two policies. */
const BETWEEN = /(?:\s|\/\/[^\n]*)*/y;

/** Cedar gives the texts as written, without saying where. */
function withLines(file: BundleText, texts: readonly string[]): Pick<BundlePolicy, 'path' | 'line' | 'text'>[] {
  let [offset, line] = [0, 1];
  const pass = (length: number): void => {
    line += file.text.slice(offset, offset + length).split('\n').length - 1;
    offset += length;
  };
  return texts.map((text) => {
    BETWEEN.lastIndex = offset;
    pass(BETWEEN.exec(file.text)?.[0].length ?? 0);
    const begins = line;
    pass(text.length);
    return { path: file.path, line: begins, text };
  });
}

function describe({ path, line, text }: Pick<BundlePolicy, 'path' | 'line' | 'text'>, id: string): BundlePolicy {
  const parsed = policyToJson(text);
  if (parsed.type === 'failure') throw refuseBundle(path, `${id}: ${messageOf(parsed.errors)}`);
  const { json } = parsed;
  const annotations: Record<string, string> = {};
  // An annotation without a value (`@hitl`) counts as present and empty.
  for (const [key, value] of Object.entries(json.annotations ?? {})) annotations[key] = value ?? '';
  return { id, path, line, text, effect: json.effect, annotations, json };
}

/** The error for a file that Cedar refuses, at the first place that Cedar names. */
export function cedarError(file: BundleText, errors: readonly DetailedError[], what: string): Error {
  const start = errors[0]?.sourceLocations?.[0]?.start;
  const line = start === undefined ? undefined : lineAt(file.text, start);
  return refuseBundle(file.path, `${what}: ${messageOf(errors)}`, line);
}

function messageOf(errors: readonly DetailedError[]): string {
  return errors.map(({ message, help }) => (help === null ? message : `${message} (${help})`)).join('; ');
}

/** 1-based line of a policy's annotation in its file. */
export function annotationLine({ text, line }: BundlePolicy, key: string): number {
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|@\s*[A-Za-z_]\w*/gs)) {
    if (token.startsWith('@') && token.slice(1).trim() === key)
      return line + text.slice(0, index).split('\n').length - 1;
  }
  return line;
}
