import { canonicalSorted, JsonError, parseJson } from '@cmcp/evidence';
import { annotationLine, type BundlePolicy } from './parse.ts';
import { refuseBundle } from './text.ts';

/** One step of a path, from a value to some of what is in it. */
export type Step =
  | { kind: 'name'; name: string }
  /** That name at any depth. */
  | { kind: 'anywhere'; name: string }
  | { kind: 'index'; index: number }
  /** Every member or item. */
  | { kind: 'all' };

/** What is removed from an answer before it is released. */
export type Redaction = {
  /** The item in its one written form, printable ASCII: what entries say, and what tells two apart. */
  text: string;
} & ({ kind: 'path'; steps: readonly Step[] } | { kind: 'class'; label: string });

const MAX_TEXT = 1024;

/**
 * What `@redact` on a permit asks for; nothing where there is none.
 *
 * @throws GatewayError POLICY_INVALID with file and line
 */
export function redactionsOf(policy: BundlePolicy): Redaction[] {
  const { redact } = policy.annotations;
  if (redact === undefined || policy.effect !== 'permit') return [];
  const tooLong = `write at most ${MAX_TEXT} characters, or a second permit`;
  const parsed = redact.length > MAX_TEXT ? tooLong : readRedactions(redact);
  if (typeof parsed !== 'string') return parsed;
  throw refuseBundle(policy.path, `@redact(${JSON.stringify(redact)}): ${parsed}`, annotationLine(policy, 'redact'));
}

/** The items of a list, separated by commas; or what is wrong with it. The paths are a subset of RFC 9535. */
export function readRedactions(list: string): Redaction[] | string {
  const items: Redaction[] = [];
  for (let rest = list; ; ) {
    const item = ITEM.exec(rest)?.[0] ?? '';
    const read = readItem(item.trim());
    if (typeof read === 'string') return read;
    items.push(read);
    if (item.length === rest.length) return distinct(items);
    rest = rest.slice(item.length + 1);
  }
}

/** Each once, by its text. */
export function distinct(items: readonly Redaction[]): Redaction[] {
  return [...new Map(items.map((item) => [item.text, item])).values()];
}

/** Up to the next comma outside quotes. */
const ITEM = /^(?:[^,'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|['"])*?(?=,|$)/su;
const LABEL = /^[a-z][a-z0-9_-]{0,63}$/;

function readItem(item: string): Redaction | string {
  if (item === '') return 'an item is empty; write paths such as $.customer.ssn, or class:pii, separated by commas';
  if (item.startsWith('class:')) {
    const label = item.slice('class:'.length);
    return LABEL.test(label) ? { kind: 'class', label, text: item } : `${item} names no class; write class:pii`;
  }
  if (!item.startsWith('$')) return `${item} begins with neither $ nor class:; write $.customer.ssn, or class:pii`;
  return readPath(item);
}

const NAME = /[\p{Alphabetic}_][\p{Alphabetic}\p{Nd}_]*/u.source;
const QUOTED = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/.source;
/** `.name`, `..name`, `['name']`, `..['name']`, `[*]`, `.*`, `[0]`. */
const SEGMENT = new RegExp(
  [
    `(?<dots>\\.{1,2})(?<name>${NAME})`,
    `(?<deep>\\.\\.)?\\[(?<quoted>${QUOTED})\\]`,
    '(?<all>\\.\\*|\\[\\*\\])',
    '\\[(?<index>0|[1-9]\\d{0,8})\\]',
  ].join('|'),
  'suy',
);

function readPath(path: string): Redaction | string {
  const steps: Step[] = [];
  SEGMENT.lastIndex = 1;
  let at = 1;
  for (let found = SEGMENT.exec(path); found !== null; found = SEGMENT.exec(path)) {
    const step = readStep(found.groups ?? {});
    if (step === null) break;
    steps.push(step);
    at = SEGMENT.lastIndex;
  }
  if (at < path.length) {
    return `${path} cannot be read from ${JSON.stringify(path.slice(at))} on; steps are .name, ['name'], [0], [*] and ..name`;
  }
  if (steps.length === 0) return 'the path $ is the whole answer; deny it instead, or name what is in it';
  return { kind: 'path', steps, text: `$${steps.map(writeStep).join('')}` };
}

function readStep(groups: Record<string, string | undefined>): Step | null {
  const { dots, name, deep, quoted, all, index } = groups;
  if (all !== undefined) return { kind: 'all' };
  if (index !== undefined) return { kind: 'index', index: Number(index) };
  const read = name ?? unquoted(quoted ?? '');
  if (read === null) return null;
  return { kind: dots === '..' || deep !== undefined ? 'anywhere' : 'name', name: read };
}

/** A name in quotes, single or double, with the escapes of JSON; null for others. */
function unquoted(quoted: string): string | null {
  const inside = quoted.slice(1, -1).replaceAll(/\\(.)|"/gsu, (whole, escaped) => {
    if (escaped === "'") return "'";
    return whole === '"' ? '\\"' : whole;
  });
  try {
    const name = parseJson(`"${inside}"`);
    return typeof name === 'string' ? name : null;
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}

function writeStep(step: Step): string {
  if (step.kind === 'all') return '[*]';
  if (step.kind === 'index') return `[${step.index}]`;
  const plain = /^[A-Za-z_][A-Za-z0-9_]*$/.test(step.name);
  if (step.kind === 'name') return plain ? `.${step.name}` : `[${canonicalSorted(step.name)}]`;
  return plain ? `..${step.name}` : `..[${canonicalSorted(step.name)}]`;
}
