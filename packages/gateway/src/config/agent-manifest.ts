import { resolve } from 'node:path';
import { type JsonObject, readKeyText } from '@cmcp/evidence';
import { list, named, nullable, path, required, section, setting, text } from './readers.ts';

/** Which Agent Manifests sessions are bound to, and on whose word. Paths are absolute. */
export type AgentManifestConfig = {
  /** Files, and folders of files. */
  manifests: string[];
  trustAnchors: string;
  revocations: string | null;
  /** The SPIFFE ID of each caller that does not show one itself, by subject. */
  subjects: Record<string, string>;
  /** Ed25519 public keys (base64url) of the principals that delegate, by name. */
  delegationKeys: Record<string, string>;
};

export const CONFORMANCE_PROFILES = ['none', 'aarm'] as const;

const SUBJECT = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** A SPIFFE ID: a trust domain and a path without empty or relative segments. */
export const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;

const spiffeId = text('a SPIFFE ID, such as spiffe://example.org/agent/research', (given) =>
  SPIFFE_ID.test(given) ? given : undefined,
);

const publicKey = text('an Ed25519 public key: 32 bytes in base64url', (given) => readKeyText(given) ?? undefined);

/** `agent_manifest`. */
export const agentManifestReader = nullable(
  section('settings of Agent Manifests', {
    manifests: required(
      list(path('./manifests')),
      'Files with a signed Agent Manifest each, or folders of them; one manifest per agent. Read anew at each activation.',
    ),
    trust_anchors: required(
      path('./manifest-issuers.json'),
      'File with the public keys that manifests may be signed with, and the `issuers` that each may sign for.',
    ),
    revocations: setting(
      nullable(path('./revoked-manifests.jsonl')),
      'null',
      'Published list of revoked manifests, a JSON object a line. Read again when it changes, at the latest at the next call.',
    ),
    authenticated_subjects: setting(
      named('the subject of a caller', SUBJECT, spiffeId, 'The agent that this caller is.'),
      '{}',
      'The SPIFFE ID of each agent whose credential is no SVID, by the subject of the caller.',
    ),
    delegation_keys: setting(
      named('the name of a principal', /^[\x21-\x7e]{1,512}$/, publicKey, 'Their public key.'),
      '{}',
      'Public keys of the principals that delegate authority in manifests. A delegation by anybody else is refused.',
    ),
  }),
);

type Given = ReturnType<typeof agentManifestReader.read>;

/** The section that was read, with its paths below `folder`. */
export function agentManifestConfig(folder: string, given: NonNullable<Given> | null): AgentManifestConfig | null {
  if (given === null) return null;
  return {
    manifests: given.manifests.map((each) => resolve(folder, each)),
    trustAnchors: resolve(folder, given.trust_anchors),
    revocations: given.revocations === null ? null : resolve(folder, given.revocations),
    subjects: given.authenticated_subjects,
    delegationKeys: given.delegation_keys,
  };
}

/** The profile's own conditions on the rest of the configuration; what is not met goes to `report`, by key. */
export function checkProfile(
  config: { profile: 'none' | 'aarm'; mode: string; agentManifest: AgentManifestConfig | null },
  report: (key: string, message: string) => void,
): void {
  const { profile, mode, agentManifest } = config;
  if (agentManifest !== null && agentManifest.manifests.length === 0)
    report('agent_manifest.manifests', 'names no manifest; leave out `agent_manifest`, or name one');
  if (profile === 'none') return;
  if (agentManifest === null)
    report('conformance_profile', 'aarm binds every session to an Agent Manifest; set `agent_manifest`');
  if (mode !== 'enforcing') report('conformance_profile', `aarm refuses what policy denies; set \`mode: enforcing\``);
}

/** The same without paths, as the digest that is the same on every machine covers it; nothing where nothing is set. */
export function placelessManifests({
  profile,
  agentManifest,
}: {
  profile: 'none' | 'aarm';
  agentManifest: AgentManifestConfig | null;
}): JsonObject {
  const byName = (a: [string, string], b: [string, string]): number => (a[0] < b[0] ? -1 : 1);
  return {
    ...(profile === 'none' ? {} : { conformanceProfile: profile }),
    ...(agentManifest === null
      ? {}
      : {
          agentManifest: {
            revocations: agentManifest.revocations !== null,
            subjects: Object.entries(agentManifest.subjects).sort(byName),
            delegationKeys: Object.entries(agentManifest.delegationKeys).sort(byName),
          },
        }),
  };
}
