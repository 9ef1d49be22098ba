import { type ApprovalRecord, canonicalSorted, type JsonValue } from '@cmcp/evidence';
import type { ApprovalConfig } from '../../config/approval.ts';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import { stoodOnce } from '../approval/approve.ts';
import type { Change } from '../approval/draft.ts';
import { recordInForce } from '../approval/pending-files.ts';
import type { Finding } from '../finding.ts';
import { readCatalogText, readProposal } from './catalog-files.ts';
import { type CatalogDiff, type CatalogText, changeSetDigest, diffCatalogs, namedFindings } from './diff/diff.ts';

/** What a reviewer is to look at, and then to approve. */
export interface Review {
  quorum: ApprovalConfig;
  change: Change;
  diff: CatalogDiff;
  /** Of the whole catalog, and of what changes. */
  findings: Finding[];
  /** Whether what is there was approved before, so that only the change is shown; else all of it is. */
  since: 'approval' | 'nothing';
}

const EMPTY: JsonValue = { catalog: 1, servers: [], tools: [], resources: [], prompts: [] };

/**
 * The proposal, or without one the catalog, held to what was approved last. What nobody approved is all new: a catalog that was
 * changed behind the reviewers’ backs is no base to compare with.
 *
 * @throws GatewayError CATALOG_UNAPPROVED where nobody is configured to approve
 */
export async function reviewCatalog(config: Config): Promise<Review> {
  const { path, approval: quorum } = config.catalog;
  if (quorum === null) {
    throw new GatewayError('CATALOG_UNAPPROVED', `${config.file} names no reviewers under \`catalog.approval\``);
  }
  const current = await readCatalogText(path);
  const after = (await readProposal(path)) ?? current;
  const record = await recordInForce('catalog', path);
  const base = await approvedBase(record, quorum, current, config);
  const diff = diffCatalogs(base ?? { file: path, json: EMPTY }, after, sensitivityRanks(config.vocabulary));
  const change: Change = {
    kind: 'catalog',
    hash: diff.after,
    before: { hash: base === null ? null : diff.before, record },
    changeSetDigest: changeSetDigest(diff),
  };
  const findings = distinct([...namedFindings(after.json), ...diff.introduces]);
  return { quorum, change, diff, findings, since: base === null ? 'nothing' : 'approval' };
}

/** The catalog that is there, if the record beside it approved it when it was signed. */
async function approvedBase(
  record: ApprovalRecord | null,
  quorum: ApprovalConfig,
  current: CatalogText,
  config: Config,
): Promise<CatalogText | null> {
  if (record === null) return null;
  const { after } = diffCatalogs(current, current, sensitivityRanks(config.vocabulary));
  return (await stoodOnce(record, 'catalog', quorum, after)) ? current : null;
}

function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [canonicalSorted({ ...finding }), finding])).values()];
}
