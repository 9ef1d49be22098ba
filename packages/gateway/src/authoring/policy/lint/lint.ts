import { basename } from 'node:path';
import { policySetTextToParts } from '@cedar-policy/cedar-wasm/nodejs';
import { loadCatalog } from '../../../catalog/load.ts';
import type { Catalog } from '../../../catalog/types.ts';
import type { Config } from '../../../config/types.ts';
import { GatewayError } from '../../../errors.ts';
import { type Bundle, bundleOf } from '../../../policy/bundle.ts';
import { type BundleFiles, readBundleFiles } from '../../../policy/bundle-files.ts';
import { readManifest } from '../../../policy/manifest.ts';
import { readNativeSchema } from '../../../policy/native-schema.ts';
import type { RequestBuilder } from '../../../policy/request.ts';
import { compatRequests } from '../../../policy/request-compat.ts';
import { nativeRequests } from '../../../policy/request-native.ts';
import { refuseForeignScopes } from '../../../policy/scope-compat.ts';
import { sensitivityRanks } from '../../../policy/sensitivity.ts';
import { lineAt } from '../../../policy/text.ts';
import type { Finding } from '../../finding.ts';
import { assertedFindings } from './asserted.ts';
import { exposureFindings } from './exposure.ts';
import { nestsDeeper } from './expression.ts';
import { failureFindings } from './failures.ts';
import { flowFindings } from './flow.ts';
import { type Ground, placeOf } from './ground.ts';
import { matchFindings } from './matches.ts';
import { nameFindings } from './names.ts';
import { reachFindings } from './reach.ts';
import { finding, type RuleId } from './rules.ts';
import { Survey } from './survey.ts';
import { toolFindings } from './tools.ts';
import { cedarWarnings, staleSchema, typeErrors } from './types.ts';

const INTENT = [
  reachFindings,
  nameFindings,
  failureFindings,
  assertedFindings,
  toolFindings,
  exposureFindings,
  matchFindings,
  flowFindings,
];

/**
 * What is wrong with the configured policy bundle, and what it says that nobody may have meant. Pins are not looked at. A
 * bundle that does not load is asked for everything that keeps it from loading, and for nothing else.
 *
 * @throws GatewayError CATALOG_INVALID
 */
export async function lintPolicy(config: Config): Promise<Finding[]> {
  const catalog = await loadCatalog(config.catalog.path, sensitivityRanks(config.vocabulary));
  const files = await attempt('unreadable', () => readBundleFiles(config.policy.path));
  if (Array.isArray(files)) return files;
  const bundle = await loaded(files, catalog);
  if (Array.isArray(bundle)) return bundle;
  const requests = await attempt('misfit', () => requestsOf(bundle, catalog));
  if (Array.isArray(requests)) return requests;
  const typed = bundle.request === 'native' ? [...staleSchema(files, catalog), ...cedarWarnings(files)] : [];
  const unexamined = tooDeep(bundle);
  // Of a bundle in which one policy is not understood, nothing can be said of the others.
  if (unexamined.length > 0) return [...typed, ...unexamined];
  const ground = groundOf({ config, catalog, bundle, requests });
  return [...typed, ...INTENT.flatMap((rule) => rule(ground))];
}

/** Half of what Cedar's partial evaluation was seen to bear: beyond, it runs out of its stack. */
const MAX_NESTING = 400;

function tooDeep({ policies }: Bundle): Finding[] {
  return policies
    .filter(({ json }) => nestsDeeper(json, MAX_NESTING))
    .map((policy) =>
      finding(
        'not-examined',
        placeOf(policy),
        `${policy.id}: its conditions nest too deep for the linter, which therefore says nothing about what this bundle means`,
        'write a set, [ … ].contains(…), or several when { … }',
      ),
    );
}

/** The bundle, or all that keeps it from being one. */
async function loaded(files: BundleFiles, catalog: Catalog): Promise<Bundle | Finding[]> {
  const syntax = syntaxErrors(files);
  if (syntax.length > 0) return syntax;
  const manifest = await attempt('unreadable', () => readManifest(files.manifest));
  if (Array.isArray(manifest)) return manifest;
  const types = manifest.request === 'native' ? typeErrors(files, catalog) : [];
  return types.length > 0 ? types : attempt('unreadable', () => bundleOf(files));
}

function syntaxErrors({ policies }: BundleFiles): Finding[] {
  return policies.flatMap((file) => {
    const parts = policySetTextToParts(file.text);
    if (parts.type === 'success') return [];
    return parts.errors.map(({ message, help, sourceLocations }) => {
      const line = lineAt(file.text, sourceLocations?.[0]?.start ?? 0);
      return finding('unreadable', `${file.path}:${line}`, message, help ?? 'write it as Cedar reads it');
    });
  });
}

function requestsOf(bundle: Bundle, catalog: Catalog): RequestBuilder {
  if (bundle.request === 'native') return nativeRequests(bundle.schema, catalog);
  refuseForeignScopes(bundle.policies, catalog);
  return compatRequests(catalog);
}

interface Loaded {
  config: Config;
  catalog: Catalog;
  bundle: Bundle;
  requests: RequestBuilder;
}

function groundOf({ config, catalog, bundle, requests }: Loaded): Ground {
  const agents = [
    ...config.agents.map(({ subject }) => subject),
    ...(config.stdioSubject === null ? [] : [config.stdioSubject]),
  ];
  return {
    bundle,
    catalog,
    catalogFile: basename(config.catalog.path),
    ranks: sensitivityRanks(config.vocabulary),
    agents,
    survey: new Survey(bundle, catalog, requests, agents),
    contexts: bundle.request === 'native' ? readNativeSchema(bundle.schema, catalog).contexts : null,
  };
}

/** What `task` gives, or its refusal as a finding. */
async function attempt<T>(rule: RuleId, task: () => Promise<T> | T): Promise<T | Finding[]> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    // Every refusal of a bundle begins with its place.
    const [, where = error.code, message = error.detail] = /^(.+?(?::\d+)?): (.*)$/s.exec(error.detail) ?? [];
    return [finding(rule, where, message, 'correct it: until then, the bundle does not load')];
  }
}
