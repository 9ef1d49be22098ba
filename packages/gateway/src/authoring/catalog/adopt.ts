import { copyFile, rename } from 'node:fs/promises';
import { filesInForce } from '../../approval/files.ts';
import { parseCatalog } from '../../catalog/load.ts';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import { prettyJson } from '../../setup/pretty-json.ts';
import { exists, pendingFiles, promote, removePending } from '../approval/pending-files.ts';
import { standing } from '../approval/sign-off.ts';
import { proposalFile, readCatalogText, readProposal } from './catalog-files.ts';

export interface Adopted {
  /** The catalog’s hash now: what a configuration that pins one has to pin. */
  hash: string;
  /** Where what was in force before was put. */
  aside: string[];
}

/**
 * Puts the proposal, or a renewed approval of the catalog, where the gateway reads it at its next reload. An interruption leaves
 * files that do not fit together, which the gateway refuses; adopting again goes on.
 *
 * @throws GatewayError CATALOG_UNAPPROVED while the quorum is not reached
 */
export async function adoptCatalog(config: Config, now: number): Promise<Adopted> {
  const { path, approval: quorum } = config.catalog;
  const proposal = await readProposal(path);
  const { file, json } = proposal ?? (await readCatalogText(path));
  const { hash } = parseCatalog(prettyJson(json), file, sensitivityRanks(config.vocabulary));
  const [inForce, pending] = [filesInForce('catalog', path), pendingFiles('catalog', path)];
  const waits = quorum !== null && (await exists(pending.record));
  if (!waits && proposal === null) throw refusal('there is neither a proposal nor an approval that waits');
  if (quorum !== null) {
    const { problem, threshold } = await standing(pending, 'catalog', quorum, hash, now);
    if (problem !== null) throw refusal(`${problem}; ${threshold} reviewers have to run \`cmcp catalog approve\``);
  }
  const aside = await putAside(
    [...(proposal === null ? [] : [path]), ...(waits ? [inForce.record, inForce.checks] : [])],
    now,
  );
  if (waits) await promote(pending, inForce);
  if (proposal !== null) await rename(proposalFile(path), path);
  await removePending(pending);
  return { hash, aside };
}

/** A copy of each that is there and will be replaced, by the second: what was replaced stays to be looked at. */
async function putAside(files: readonly string[], now: number): Promise<string[]> {
  const moved: string[] = [];
  for (const file of files) {
    if (!(await exists(file))) continue;
    const to = `${file}.previous-${now}`;
    await copyFile(file, to);
    moved.push(to);
  }
  return moved;
}

function refusal(problem: string): GatewayError {
  return new GatewayError('CATALOG_UNAPPROVED', problem);
}
