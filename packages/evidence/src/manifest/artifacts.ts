import { equalBytes } from '../bytes/equal.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from '../finding.ts';
import type { Check } from '../report.ts';
import { parseTimestamp } from '../time.ts';
import type { ManifestContext } from './context.ts';
import { extendsSignedRoot } from './continuity.ts';
import { ARTIFACTS, type ArtifactName, type ManifestDocument } from './document.ts';
import { type Stage, stage } from './stage.ts';

/** EXTENDED: the audit chain that runs has grown from the one that the manifest names, and that is proven. */
export type ArtifactResult = 'MATCH' | 'MISMATCH' | 'NOT_BOUND' | 'EXPIRED' | 'EXTENDED';

export type ArtifactResults = Record<ArtifactName, ArtifactResult>;

/** The comparison of what a manifest binds with what runs. */
export interface Artifacts extends Stage {
  results: ArtifactResults;
  /** Which form of the catalog's hash the manifest names, where that was compared. */
  catalogForm: 'flat' | 'merkle' | null;
}

interface Comparison {
  title: string;
  bound: string | null | undefined;
  running: (string | undefined)[];
}

export const NOTHING_BOUND: ArtifactResults = {
  system_prompt: 'NOT_BOUND',
  policy_bundle: 'NOT_BOUND',
  tool_manifest: 'NOT_BOUND',
  model_identity: 'NOT_BOUND',
  rag_corpus: 'NOT_BOUND',
  memory_baseline: 'NOT_BOUND',
  decision_trace: 'NOT_BOUND',
  supply_chain: 'NOT_BOUND',
};

/** Compares each artifact that the manifest binds with what runs (wire-formats section 16.4). */
export function compareArtifacts(document: ManifestDocument, context: ManifestContext): Artifacts {
  const results = { ...NOTHING_BOUND };
  const checks: Check[] = [];
  let open = false;
  const comparisons = comparisonsOf(document, context);
  for (const name of ARTIFACTS) {
    const comparison = comparisons[name];
    results[name] = special(name, document, context) ?? plain(comparison);
    const given = comparison.running.some((value) => value !== undefined);
    if (comparison.bound == null && !given) continue;
    if (comparison.bound != null && !given && results[name] === 'NOT_BOUND') open = true;
    const ask = context.strictArtifacts === true ? required : informative;
    checks.push(ask(`manifest.${name}`, comparison.title, findingOf(results[name], comparison)));
  }
  checks.push(...assessments(document, context));
  const incomplete = context.strictArtifacts === true && open;
  const [flat] = comparisons.tool_manifest.running;
  const catalogForm =
    results.tool_manifest !== 'MATCH' ? null : same(comparisons.tool_manifest.bound ?? '', flat) ? 'flat' : 'merkle';
  return { ...stage(checks, ...(incomplete ? (['INCOMPLETE'] as const) : [])), results, catalogForm };
}

function comparisonsOf(
  { artifacts }: ManifestDocument,
  { runtime = {} }: ManifestContext,
): Record<ArtifactName, Comparison> {
  const model = artifacts.model_identity;
  const ask = (title: string, bound: string | null | undefined, ...running: (string | undefined)[]): Comparison => ({
    title,
    bound,
    running,
  });
  return {
    system_prompt: ask('Is the system prompt the bound one?', artifacts.system_prompt?.hash, runtime.systemPrompt),
    policy_bundle: ask('Is the policy the bound one?', artifacts.policy_bundle?.hash, runtime.policyBundle),
    tool_manifest: ask(
      'Is the catalog the bound one?',
      artifacts.tool_manifest?.catalog_hash,
      runtime.toolCatalog,
      runtime.toolCatalogTree,
    ),
    // A model behind an interface has no hash; its version stands for it.
    model_identity: ask('Is the model the bound one?', model?.model_hash || model?.version, runtime.modelVersion),
    rag_corpus: ask('Is the corpus the bound one?', artifacts.rag_corpus?.merkle_root, runtime.ragCorpus),
    memory_baseline: ask(
      'Is the memory the bound one?',
      artifacts.memory_baseline?.snapshot_hash,
      runtime.memorySnapshot,
    ),
    decision_trace: ask(
      'Is the audit chain the bound one?',
      artifacts.decision_trace?.audit_chain_root,
      runtime.auditChainRoot,
    ),
    supply_chain: ask(
      'Is the container image the bound one?',
      artifacts.supply_chain?.container_image_digest,
      runtime.containerImage,
    ),
  };
}

function plain({ bound, running }: Comparison): ArtifactResult {
  const given = running.filter((value) => value !== undefined);
  if (bound == null || given.length === 0) return 'NOT_BOUND';
  return given.some((value) => same(bound, value)) ? 'MATCH' : 'MISMATCH';
}

/** What time and growth make of two artifacts; null where they are compared like all others. */
function special(name: ArtifactName, { artifacts }: ManifestDocument, context: ManifestContext): ArtifactResult | null {
  if (name === 'memory_baseline') {
    const { approved_at, ttl_seconds } = artifacts.memory_baseline ?? {};
    const approved = approved_at === undefined ? null : parseTimestamp(approved_at);
    const over = approved !== null && ttl_seconds != null && context.at * 1e6 > approved + ttl_seconds * 1e6;
    return over ? 'EXPIRED' : null;
  }
  const { auditChainRoot: running, auditChainContinuity: growth } = context.runtime ?? {};
  const trace = artifacts.decision_trace;
  if (name !== 'decision_trace' || trace?.audit_chain_root === undefined || running === undefined) return null;
  if (growth === undefined || same(trace.audit_chain_root, running)) return null;
  return extendsSignedRoot(trace, running, growth, context.at) ? 'EXTENDED' : 'MISMATCH';
}

function findingOf(result: ArtifactResult, { bound, running }: Comparison): Finding {
  const against = running.find((value) => value !== undefined) ?? null;
  if (bound == null) return notChecked('the manifest does not bind it');
  if (result === 'MATCH') return proven(`the manifest binds ${bound}`, against);
  if (result === 'MISMATCH') return failed(`the manifest binds ${bound}`, against);
  if (result === 'EXTENDED') return proven(`what runs extends ${bound}, which the manifest binds`, against);
  if (result === 'EXPIRED') return notChecked('what the manifest binds was approved for a time that is over');
  return notChecked(`the manifest binds ${bound}; nothing was given to compare it with`, 'the value that runs');
}

/** What assessments of prompt and corpus came to. One that found something is evidence against the agent, whoever signed it. */
function assessments({ artifacts }: ManifestDocument, { conformanceLevel = 0 }: ManifestContext): Check[] {
  const prompt = artifacts.system_prompt?.assurance_test?.result;
  const scan = artifacts.rag_corpus?.poisoning_scan?.result;
  const checks: Check[] = [];
  if (prompt !== undefined) {
    const finding = assessed(prompt, 'passed', 'the assessment of the system prompt', false);
    checks.push(informative('manifest.assurance_test', 'Did the prompt pass its assessment?', finding));
  }
  if (scan !== undefined) {
    const finding = assessed(scan, 'clean', 'the scan of the corpus for poisoning', conformanceLevel >= 1);
    checks.push(informative('manifest.poisoning_scan', 'Is the corpus free of poisoning?', finding));
  }
  return checks;
}

function assessed(result: string, good: string, what: string, needed: boolean): Finding {
  if (result === good) return asserted(`the issuer says that ${what} came out as ${result}`);
  return result === 'flagged' || needed ? failed(`${what} came out as ${result}`) : notChecked(`${what}: ${result}`);
}

/** Equality in time that depends on lengths only. */
function same(a: string, b: string | undefined): boolean {
  return b !== undefined && a.isWellFormed() && b.isWellFormed() && equalBytes(encodeUtf8(a), encodeUtf8(b));
}
