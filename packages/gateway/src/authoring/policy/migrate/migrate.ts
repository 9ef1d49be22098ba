import { isObject, type JsonObject, stringifyJson } from '@cmcp/evidence';
import { loadCatalog } from '../../../catalog/load.ts';
import type { Catalog } from '../../../catalog/types.ts';
import type { Config } from '../../../config/types.ts';
import { GatewayError } from '../../../errors.ts';
import { readBundleFiles } from '../../../policy/bundle-files.ts';
import { readManifest } from '../../../policy/manifest.ts';
import { readNativeSchema, SCHEMA_FILE } from '../../../policy/native-schema.ts';
import { type BundlePolicy, parsePolicies } from '../../../policy/parse.ts';
import { linesOf } from '../../../policy/places.ts';
import { nativeSchema } from '../../../policy/schema.ts';
import { sensitivityRanks } from '../../../policy/sensitivity.ts';
import type { RecordShape } from '../../../policy/shape.ts';
import { type BundleText, refuseBundle } from '../../../policy/text.ts';
import { strictAnswer } from '../../../policy/validate.ts';
import { argumentAt } from '../lint/argument-types.ts';
import { declares } from '../lint/declared.ts';
import { pathsIn } from '../lint/expression.ts';
import { refusal, rewritten } from './rewrite.ts';

/** A bundle in our form, by file, and what of the old one is not in it. */
export interface Migration {
  files: Record<string, string>;
  refused: { where: string; reason: string }[];
}

/**
 * The configured bundle, which is in the form of the reference, rewritten for our requests. What cannot be rewritten so that it goes on to
 * mean the same is left out as a comment, and listed.
 *
 * @throws GatewayError POLICY_INVALID, CATALOG_INVALID
 */
export async function migratePolicy(config: Config): Promise<Migration> {
  const catalog = await loadCatalog(config.catalog.path, sensitivityRanks(config.vocabulary));
  const old = await readBundleFiles(config.policy.path);
  const { raw, request } = readManifest(old.manifest);
  if (request === 'native')
    throw refuseBundle(old.manifest.path, 'has "cmcp_request": 1 already; there is nothing to migrate');
  const policies = parsePolicies(old.policies);
  const lines = linesOf(old.policies, policies);
  const schema = { path: SCHEMA_FILE, text: nativeSchema(catalog) };
  const outcomes = policies.map((policy) => ({ policy, ...outcome(policy, schema, catalog) }));
  const texts = old.policies.map((file) => [file.path, replaced(file, outcomes)]);
  return {
    files: { 'manifest.json': manifestOf(raw), [SCHEMA_FILE]: schema.text, ...Object.fromEntries(texts) },
    refused: outcomes.flatMap(({ policy, reason }) =>
      reason === null ? [] : [{ where: `${policy.path}:${lines.get(policy.id) ?? 1}`, reason }],
    ),
  };
}

type Outcome = { text: string; reason: null } | { text: null; reason: string };

function outcome(policy: BundlePolicy, schema: BundleText, catalog: Catalog): Outcome {
  try {
    requireSeen(policy, readNativeSchema(schema.text, catalog).contexts, catalog);
    const text = rewritten(policy, catalog);
    requireTyped({ path: policy.path, text }, schema);
    return { text, reason: null };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { text: null, reason: error.detail };
  }
}

/** What types leave out, a policy would pass over in silence. */
function requireSeen({ json }: BundlePolicy, contexts: ReadonlyMap<string, RecordShape>, catalog: Catalog): void {
  for (const [, first, ...inside] of pathsIn(json).filter(([variable]) => variable === 'context')) {
    if (first !== 'arguments' || inside.length === 0) continue;
    const tool = catalog.tools.find(
      ({ name, inputSchema }) =>
        argumentAt(inputSchema, inside) !== null && !declares(contexts.get(name), ['arguments', ...inside]),
    );
    if (tool === undefined) continue;
    throw refusal(
      `reads arguments.${inside.join('.')}, for which the approved schema of ${tool.name} gives no one type`,
    );
  }
}

function requireTyped(file: BundleText, schema: BundleText): void {
  const answer = strictAnswer(file, schema);
  const [first] = answer.type === 'failure' ? answer.errors : answer.validationErrors.map(({ error }) => error);
  if (first !== undefined)
    throw refusal(`does not fit the types of our requests: ${first.message.replace(/^for policy `policy0`, /, '')}`);
}

/** The file with its policies replaced where they stand, so that what is written between them stays. */
function replaced(file: BundleText, outcomes: readonly ({ policy: BundlePolicy } & Outcome)[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const { policy, text, reason } of outcomes.filter((each) => each.policy.path === file.path)) {
    const start = Math.max(from, file.text.indexOf(policy.text, from));
    parts.push(file.text.slice(from, start), text ?? commented(`Not rewritten: ${reason}\n${policy.text}`));
    from = start + policy.text.length;
  }
  return [...parts, file.text.slice(from)].join('');
}

function commented(text: string): string {
  return `${text
    .split('\n')
    .map((line) => `// ${line}`)
    .join('\n')}\n`;
}

/** Signature and approvals were for another bundle. */
function manifestOf(raw: unknown): string {
  const {
    signature: _,
    approval_chain: __,
    ...rest
  }: JsonObject = isObject(raw as JsonObject) ? (raw as JsonObject) : {};
  return `${stringifyJson({ ...rest, cmcp_request: 1 })}\n`;
}
