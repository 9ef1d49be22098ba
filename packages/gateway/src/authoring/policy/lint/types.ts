import { checkParseSchema, type DetailedError } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from '../../../catalog/types.ts';
import type { BundleFiles } from '../../../policy/bundle-files.ts';
import { readNativeSchema, SCHEMA_FILE } from '../../../policy/native-schema.ts';
import { nativeSchema } from '../../../policy/schema.ts';
import { type BundleText, lineAt } from '../../../policy/text.ts';
import { strictAnswer } from '../../../policy/validate.ts';
import type { Finding } from '../../finding.ts';
import { argumentAt } from './argument-types.ts';
import { finding } from './rules.ts';

const PRINT_SCHEMA = 'compare with what `cmcp policy schema` prints';

/** Everything that keeps the policies from fitting the bundle's own schema: all of it, not only the first. */
export function typeErrors({ policies, schema }: BundleFiles, catalog: Catalog): Finding[] {
  const parsed = checkParseSchema(schema.text);
  if (parsed.type === 'failure') {
    return parsed.errors.map((error) =>
      finding('ill-typed', placeOf(schema, error), error.message, fixOf(error, PRINT_SCHEMA)),
    );
  }
  return policies.flatMap((file) =>
    problemsOf(file, schema).map(({ where, message, all, help }) =>
      finding('ill-typed', where, message, leftOut(all, catalog) ?? help ?? PRINT_SCHEMA),
    ),
  );
}

/** What Cedar finds odd, apart from what other rules say better: policies that cannot match. */
export function cedarWarnings({ policies, schema }: BundleFiles): Finding[] {
  return policies.flatMap((file) => {
    const answer = strictAnswer(file, schema);
    if (answer.type === 'failure') return [];
    return [...answer.validationWarnings.map(({ error }) => error), ...answer.otherWarnings]
      .filter(({ message }) => !/policy is impossible|unable to find an applicable action/.test(message))
      .map((error) =>
        finding(
          'cedar-warning',
          placeOf(file, error),
          withoutPosition(error.message),
          fixOf(error, 'look at it closely'),
        ),
      );
  });
}

/**
 * Where the bundle's schema and the catalog have parted: tools whose arguments it declares otherwise, and policies that read what no
 * approved schema has.
 */
export function staleSchema({ policies, schema }: BundleFiles, catalog: Catalog): Finding[] {
  const current = { path: SCHEMA_FILE, text: nativeSchema(catalog) };
  const [declared, made] = [schema, current].map(({ text }) => readNativeSchema(text, catalog).contexts);
  const tools = catalog.tools.filter(({ name }) => {
    const [own, other] = [declared, made].map((contexts) => contexts?.get(name)?.attributes.get('arguments'));
    return own !== undefined && shapeText(own) !== shapeText(other);
  });
  if (tools.length === 0) return [];
  const names = tools.map(({ name }) => name).sort();
  return [
    finding(
      'stale-schema',
      `${SCHEMA_FILE}:1`,
      `declares other arguments than the catalog approves, for ${names.join(', ')}`,
      'cmcp policy schema > schema.cedarschema, unless the difference is meant',
    ),
    ...policies.flatMap((file) =>
      problemsOf(file, current).map(({ where, message, help }) =>
        finding('stale-schema', where, `under the schema of the catalog: ${message}`, help ?? PRINT_SCHEMA),
      ),
    ),
  ];
}

interface Problem {
  where: string;
  message: string;
  /** What Cedar said, once for each action. */
  all: readonly string[];
  help: string | null;
}

/** Cedar says the same once for each action: one place is one problem. */
function problemsOf(file: BundleText, schema: BundleText): Problem[] {
  const answer = strictAnswer(file, schema);
  const errors = answer.type === 'failure' ? answer.errors : answer.validationErrors.map(({ error }) => error);
  const places = Map.groupBy(errors, (error) => JSON.stringify(error.sourceLocations?.[0] ?? error.message));
  return [...places.values()]
    .map((same) => problemOf(file, same))
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset: _, ...problem }) => problem);
}

function problemOf(file: BundleText, same: readonly DetailedError[]): Problem & { offset: number } {
  const all = same.map(({ message }) => withoutPosition(message)).sort();
  const helps = [...new Set(same.flatMap(({ help }) => help ?? []))].sort();
  const offset = same[0]?.sourceLocations?.[0]?.start ?? 0;
  const more = same.length > 1 ? ` (and so for ${same.length - 1} more)` : '';
  return {
    where: `${file.path}:${lineAt(file.text, offset)}`,
    message: `${all[0]}${more}`,
    all,
    help: helps.length === 0 ? null : helps.join(' '),
    offset,
  };
}

/** Cedar cannot type an argument that may be of several types, so there is nothing that a policy could compare. */
function leftOut(messages: readonly string[], catalog: Catalog): string | null {
  const missing = /^attribute `arguments\.([^`]+)` in context for Action::"([^"]+)" not found/;
  const approved = messages.some((message) => {
    const [, path, action] = missing.exec(message) ?? [];
    const tool = catalog.tools.find(({ name }) => name === action);
    return path !== undefined && tool !== undefined && argumentAt(tool.inputSchema, path.split('.')) !== null;
  });
  return approved
    ? 'the approved input schema has it, but with several types or one that Cedar has not: approve one type for it, or decide on the tool without it'
    : null;
}

function placeOf(file: BundleText, { sourceLocations }: DetailedError): string {
  return `${file.path}:${lineAt(file.text, sourceLocations?.[0]?.start ?? 0)}`;
}

function fixOf({ help }: DetailedError, otherwise: string): string {
  return help ?? otherwise;
}

/** Cedar names policies by their position in the file, which says less than the line. */
function withoutPosition(message: string): string {
  return message.replace(/^for policy `policy\d+`, /, '');
}

function shapeText(value: unknown): string {
  return JSON.stringify(value, (_, inside: unknown) => (inside instanceof Map ? [...inside].sort() : inside));
}
