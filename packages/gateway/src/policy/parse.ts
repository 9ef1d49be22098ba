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
  /** File and 1-based line in it, for messages. */
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
  const parts = files.flatMap((file) => withLines(file, splitFile(file)));
  return parts.map((part, index) => describe(part, `policy${index}`));
}

/** Cedar hands policies back as written, so each is found at or after the end of the one before. */
function withLines(
  { path, text }: BundleText,
  parts: readonly string[],
): Pick<BundlePolicy, 'path' | 'line' | 'text'>[] {
  let end = 0;
  return parts.map((part) => {
    const start = Math.max(end, text.indexOf(part, end));
    end = start + part.length;
    return { path, line: text.slice(0, start).split('\n').length, text: part };
  });
}

/** The policies of one file in source order. */
function splitFile(file: BundleText): string[] {
  const parts = policySetTextToParts(file.text);
  if (parts.type === 'failure') throw cedarError(file, parts.errors, 'not a Cedar policy');
  if (parts.policy_templates.length > 0) {
    throw refuseBundle(file.path, 'holds a policy template ("?principal" or "?resource"), which nothing would link');
  }
  return inSourceOrder(parts.policies);
}

/** Cedar answers sorted by id as text: policy0, policy1, policy10, … policy2. This puts them back. */
function inSourceOrder(parts: readonly string[]): string[] {
  const ids = parts.map((_, index) => index).sort((a, b) => (`policy${a}` < `policy${b}` ? -1 : 1));
  const ordered: string[] = [];
  for (const [position, index] of ids.entries()) ordered[index] = parts[position] ?? '';
  return ordered;
}

function describe(part: Pick<BundlePolicy, 'path' | 'line' | 'text'>, id: string): BundlePolicy {
  const parsed = policyToJson(part.text);
  if (parsed.type === 'failure') throw refuseBundle(part.path, `${id}: ${messageOf(parsed.errors)}`, part.line);
  const { json } = parsed;
  const annotations: Record<string, string> = {};
  // An annotation without a value (`@hitl`) counts as present and empty.
  for (const [key, value] of Object.entries(json.annotations ?? {})) annotations[key] = value ?? '';
  return { id, ...part, effect: json.effect, annotations, json };
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
