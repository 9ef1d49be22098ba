import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  canonicalManifest,
  type Expectations,
  encodeBase64Url,
  encodeUtf8,
  type JsonObject,
  type Report,
  type SessionFile,
  stringifyJson,
  verify,
} from '@cmcp/evidence';
import type { StartedGateway } from '@cmcp/gateway';
import {
  ISSUER,
  jsonBytes,
  type ManifestSigner,
  signCose,
  signJson,
  versionTwo,
  withArtifacts,
} from '../../packages/evidence/src/testing/manifest.ts';
import { loadCatalog } from '../../packages/gateway/src/catalog/load.ts';
import { loadBundle } from '../../packages/gateway/src/policy/bundle.ts';
import { sensitivityRanks } from '../../packages/gateway/src/policy/sensitivity.ts';
import { Agent, type Reply } from './agent.ts';
import { OPERATOR_TOKEN, type TestBed } from './gateway.ts';
import { pins } from './session-files.ts';

export const spiffeOf = (name: string): string => `spiffe://trust.example/agent/${name}`;
export const tokenOf = (name: string): string => `token-of-${name}`;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** One agent of the configuration. */
export const agentLine = (name: string): string => `{ subject: ${name}, token_sha256: ${sha256(tokenOf(name))} }`;

/** The lines of cmcp.yaml for agents by these names, each of which the configuration maps to its SPIFFE ID. */
export function manifestConfig(names: readonly string[], more: { section?: string; lines?: string } = {}): string {
  const agents = names.map(agentLine);
  const mapped = names.map((name) => `${name}: '${spiffeOf(name)}'`);
  return [
    `agents: [${agents.join(', ')}]`,
    `agent_manifest: { manifests: [./manifests], trust_anchors: ./issuers.json, authenticated_subjects: { ${mapped.join(', ')} }${more.section ?? ''} }`,
    more.lines ?? '',
  ].join('\n');
}

/** What a manifest has to bind to fit a folder. */
export async function hashesOf(folder: string): Promise<{ policy: string; catalog: string }> {
  const [bundle, catalog] = await Promise.all([
    loadBundle(join(folder, 'policy')),
    loadCatalog(join(folder, 'catalog.json'), sensitivityRanks()),
  ]);
  return { policy: bundle.hash, catalog: catalog.hash };
}

/** A version 7 UUID, so that each manifest has an id of its own. */
const newId = (): string => {
  const id = randomUUID();
  return `${id.slice(0, 14)}7${id.slice(15)}`;
};

export interface Fitting {
  /** Members of the policy_bundle and tool_manifest artifacts that differ. */
  policy?: JsonObject;
  tools?: JsonObject;
  /** Members of the manifest that differ. */
  more?: JsonObject;
}

/** A manifest for the agent `name` that binds what is in `folder`, in force for most of 2026. `hashes`: where a test knows them already. */
export async function fitting(
  folder: string,
  name: string,
  { policy, tools, more }: Fitting = {},
  hashes = hashesOf(folder),
): Promise<JsonObject> {
  const { policy: hash, catalog } = await hashes;
  const bound_at = '2026-01-01T00:00:00Z';
  const artifacts = {
    policy_bundle: { hash, policy_language: 'cedar', version: '1', enforcement_mode: 'enforce', bound_at, ...policy },
    tool_manifest: { catalog_hash: catalog, tools: [], rug_pull_policy: 'deny-and-alert', bound_at, ...tools },
  };
  const times = { issued_at: '2025-12-01T00:00:00Z', expires_at: '2026-11-01T00:00:00Z' };
  return withArtifacts(artifacts, { manifest_id: newId(), agent_id: spiffeOf(name), ...times, ...more });
}

export async function writeManifest(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  await mkdir(join(folder, 'manifests'), { recursive: true });
  await writeFile(join(folder, 'manifests', name), bytes);
}

/** Signs and writes in the form of either version; returns what was signed. */
export async function issue(
  folder: string,
  name: string,
  document: JsonObject,
  signer: ManifestSigner,
  envelope: 'json' | 'cose' = 'json',
): Promise<{ document: JsonObject; bytes: Uint8Array<ArrayBuffer> }> {
  const bytes =
    envelope === 'json'
      ? jsonBytes(await signJson(document, signer))
      : await signCose(versionTwo({ ...document, version: '0.2' }), signer);
  await writeManifest(folder, name, bytes);
  return { document, bytes };
}

/** The trust anchors: each key with the issuers that it may sign for. */
export async function writeAnchors(folder: string, keys: readonly [ManifestSigner, string[]?][]): Promise<void> {
  const entries = keys.map(([{ key }, issuers]) => ({
    public_key_base64url: encodeBase64Url(key.key),
    key_id: key.id,
    issuers: issuers ?? [ISSUER],
  }));
  await writeFile(join(folder, 'issuers.json'), stringifyJson({ keys: entries }));
}

/** Puts a revocation list in place at once, as its publisher should. */
export async function writeRevocations(folder: string, ids: readonly string[], signer: ManifestSigner): Promise<void> {
  const lines = await Promise.all(
    ids.map(async (manifest_id) => {
      const record = { manifest_id, reason: 'key compromise', revoked_by: 'mailto:security@example.com' };
      const message = encodeUtf8(canonicalManifest({ ...record, revoked_at: '2026-01-01T00:00:00+00:00' }));
      const revocation_signature = encodeBase64Url(await signer.sign(message));
      return stringifyJson({
        ...record,
        revoked_at: '2026-01-01T00:00:00Z',
        revocation_signature,
        signer_key_id: signer.key.id,
      });
    }),
  );
  const path = join(folder, 'revoked.jsonl');
  await writeFile(`${path}.new`, `${lines.join('\n')}\n`);
  await rename(`${path}.new`, path);
}

/** One hop of a delegation chain, signed by its principal. */
export async function hop(
  manifestId: string,
  index: number,
  principal: [string, ManifestSigner],
  scope_grant: JsonObject,
): Promise<JsonObject> {
  const [principal_id, signer] = principal;
  const delegated_at = '2025-12-01T00:00:00Z';
  const said = { hop: index, principal_type: 'system', principal_id, delegated_at, scope_grant };
  const message = encodeUtf8(canonicalManifest({ ...said, manifest_id: manifestId }));
  return { ...said, delegation_signature: encodeBase64Url(await signer.sign(message)) };
}

/** A stateless agent of a bed. */
export const agentOf = (url: URL, name: string): Agent => new Agent(url, 'modern', { token: tokenOf(name) });

export const callTool = (agent: Agent, name = 'echo'): Promise<Reply> =>
  agent.request('tools/call', { name, arguments: {} });

/** The code that a request ended with; `ok` for an answer. */
export const codeOf = ({ error }: Reply): string =>
  error === undefined ? 'ok' : String((error as { data?: { error_code?: unknown } }).data?.error_code ?? error.message);

/** What the gateway's own chain says of this action, newest last. */
export async function eventsOf(
  bed: TestBed,
  gatewaySession: string,
  action: string,
): Promise<Record<string, unknown>[]> {
  const { body } = await bed.operator(
    'GET',
    `/operator/v1/sessions/${gatewaySession}/export`,
    undefined,
    OPERATOR_TOKEN,
  );
  const { bundle } = body as {
    bundle: { entries: { action?: string; detail: Record<string, unknown>; caller: string }[] };
  };
  return bundle.entries.filter((entry) => entry.action === action).map(({ detail, caller }) => ({ ...detail, caller }));
}

/** The session that a call was entered in. */
export function sessionOf({ result }: Reply): string {
  const { 'io.cmcp/call': call } = (result?._meta ?? {}) as Record<string, { session_id?: string }>;
  return call?.session_id ?? '';
}

/** What a relying party finds that has the pins of the gateway, the agent's manifest and its issuer's key. */
export function verified(
  started: StartedGateway,
  file: SessionFile,
  { document, issuer }: { document: Uint8Array<ArrayBuffer>; issuer: ManifestSigner },
  more: Partial<Expectations> = {},
): Promise<Report> {
  return verify(stringifyJson(file as unknown as JsonObject), {
    ...pins(started),
    manifest: { document, keys: [issuer.key] },
    ...more,
  });
}
