import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  FormatError,
  type ManifestFacts,
  type ManifestKey,
  type ManifestScope,
  manifestScope,
  parseTimestamp,
  readManifest,
  readManifestKeys,
  verifyManifest,
} from '@cmcp/evidence';
import { readRegularFile } from '../catalog/read-file.ts';
import type { AgentManifestConfig } from '../config/agent-manifest.ts';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { AgentManifests } from './manifests.ts';
import { RevocationList } from './revocations.ts';

/** A manifest as it was read. That it has the form of one is all that is known of it: it is verified for each session. */
export interface AgentManifest {
  file: string;
  bytes: Uint8Array;
  /** What it says of itself. */
  facts: ManifestFacts;
  scope: ManifestScope;
}

const MAX_BYTES = 1024 * 1024;

/**
 * Reads the manifests, keys and revocations that the configuration names.
 *
 * @throws GatewayError MANIFEST_INVALID for a file that cannot be read or is none, two manifests of one agent, and a caller who is
 * configured to be an agent that has none
 */
export async function loadManifests({ agentManifest, dev, profile }: Config): Promise<AgentManifests> {
  if (agentManifest === null) return AgentManifests.none();
  const { manifests: paths, trustAnchors, revocations, subjects, delegationKeys } = agentManifest;
  const files = (await Promise.all(paths.map(filesAt))).flat();
  const manifests = byAgent(await Promise.all(files.map(readOne)));
  if (manifests.size === 0) throw invalid(paths.join(', '), 'there is no manifest');
  requireMapped(agentManifest, manifests);
  const keys = await keysIn(trustAnchors);
  if (profile === 'aarm') requireIssuers(trustAnchors, keys);
  return new AgentManifests({
    manifests,
    keys,
    delegationKeys,
    subjects,
    required: profile === 'aarm',
    guesses: dev && profile === 'none' && Object.keys(subjects).length === 0,
    revocations: revocations === null ? null : await RevocationList.open(revocations),
  });
}

/** A file, or the files of a folder that are not hidden. */
async function filesAt(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const entries = await readdir(path, { withFileTypes: true });
    const names = entries
      .filter((entry) => !entry.name.startsWith('.') && !entry.isDirectory())
      .map(({ name }) => name);
    return names.sort().map((name) => join(path, name));
  } catch (error) {
    if (error instanceof GatewayError || !(error instanceof Error && 'code' in error)) throw error;
    throw invalid(path, `cannot be read (${String(error.code)})`, error);
  }
}

async function readOne(file: string): Promise<AgentManifest> {
  const bytes = await readRegularFile(file, MAX_BYTES, (problem) => invalid(file, problem));
  // Without keys: what it is, not whether it holds.
  const { facts, summary } = await verifyManifest(bytes, { at: 0, keys: [] });
  if (facts === null) throw invalid(file, summary);
  const issued = await verifyManifest(bytes, { at: (parseTimestamp(facts.issued_at) ?? 0) / 1e6, keys: [] });
  if (issued.result === 'SIGNATURE_MISSING') throw invalid(file, issued.summary);
  const scope = scopeIn(file, bytes);
  return { file, bytes, facts, scope };
}

function scopeIn(file: string, bytes: Uint8Array): ManifestScope {
  try {
    const scope = manifestScope(readManifest(bytes).document);
    if (scope !== null) return scope;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  throw invalid(file, 'its scope cannot be read');
}

function byAgent(manifests: readonly AgentManifest[]): Map<string, AgentManifest> {
  const found = new Map<string, AgentManifest>();
  for (const manifest of manifests) {
    const { agent_id: agent } = manifest.facts;
    const other = found.get(agent);
    if (other !== undefined)
      throw invalid(manifest.file, `is for ${agent}, as ${other.file} is; an agent has one manifest`);
    found.set(agent, manifest);
  }
  return found;
}

/** A name that leads to no manifest is a slip of the pen: the agent would go without in silence. */
function requireMapped({ subjects }: AgentManifestConfig, manifests: ReadonlyMap<string, unknown>): void {
  for (const [subject, agent] of Object.entries(subjects)) {
    if (manifests.has(agent)) continue;
    throw invalid('agent_manifest.authenticated_subjects', `${subject} is ${agent}, which no manifest is for`);
  }
}

async function keysIn(file: string): Promise<ManifestKey[]> {
  const bytes = await readRegularFile(file, MAX_BYTES, (problem) => invalid(file, problem));
  try {
    return readManifestKeys(bytes, file);
  } catch (error) {
    if (error instanceof FormatError) throw new GatewayError('MANIFEST_INVALID', error.message, { cause: error });
    throw error;
  }
}

/** In the profile no key signs for whomever it likes. */
function requireIssuers(file: string, keys: readonly ManifestKey[]): void {
  const loose = keys.find(({ issuers }) => issuers === undefined);
  if (loose === undefined) return;
  throw invalid(file, `the key ${loose.id} has no \`issuers\`; with \`conformance_profile: aarm\` each key names them`);
}

function invalid(what: string, problem: string, cause?: unknown): GatewayError {
  return new GatewayError('MANIFEST_INVALID', `${what}: ${problem}`, { cause });
}
