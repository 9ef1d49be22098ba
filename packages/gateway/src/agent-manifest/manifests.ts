import type { AgentIdentity, ManifestKey } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { Catalog } from '../catalog/types.ts';
import { SPIFFE_ID } from '../config/agent-manifest.ts';
import type { AgentManifest } from './load.ts';
import type { RevocationList } from './revocations.ts';
import { type IntentScope, intentScope, NOTHING, UNSCOPED } from './scope.ts';

interface Parts {
  /** By agent. */
  manifests: ReadonlyMap<string, AgentManifest>;
  keys: readonly ManifestKey[];
  delegationKeys: Readonly<Record<string, string>>;
  subjects: Readonly<Record<string, string>>;
  /** No agent goes without a manifest. */
  required: boolean;
  /** Development: a caller whom nobody named is taken for the agent of the one manifest there is. */
  guesses: boolean;
  revocations: RevocationList | null;
}

/** Whom a caller is, as manifests name agents, and how that is known. */
export interface Identified {
  subject: string;
  source: AgentIdentity['subject_source'];
}

/** The manifests in force, and who holds them. */
export class AgentManifests {
  readonly keys: readonly ManifestKey[];
  readonly delegationKeys: Readonly<Record<string, string>>;
  readonly required: boolean;
  readonly revocations: RevocationList | null;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.keys = parts.keys;
    this.delegationKeys = parts.delegationKeys;
    this.required = parts.required;
    this.revocations = parts.revocations;
  }

  static none(): AgentManifests {
    const nobody = { manifests: new Map(), keys: [], delegationKeys: {}, subjects: {} };
    return new AgentManifests({ ...nobody, required: false, guesses: false, revocations: null });
  }

  /** The manifest for this caller, as whom it is identified; null when there is none. */
  of(caller: Caller): { identified: Identified; manifest: AgentManifest } | null {
    const identified = this.#identify(caller);
    const manifest = identified === null ? undefined : this.#parts.manifests.get(identified.subject);
    return identified === null || manifest === undefined ? null : { identified, manifest };
  }

  /** What may be shown to a caller: nothing outside its manifest's scope, and nothing at all where it needs a manifest and has none. */
  scopeOf(caller: Caller, catalog: Catalog): IntentScope {
    const found = this.of(caller);
    if (found === null) return this.required ? NOTHING : UNSCOPED;
    return scopeUnder(found.manifest, catalog);
  }

  /** Whatever the bytes are equal by: the same again puts nothing else in force. */
  isSameAs(other: AgentManifests): boolean {
    const [mine, theirs] = [this.#parts.manifests, other.#parts.manifests];
    const same = [...mine].every(([agent, { bytes }]) => {
      const given = theirs.get(agent)?.bytes;
      return given !== undefined && Buffer.compare(bytes, given) === 0;
    });
    return same && mine.size === theirs.size && this.#keyList() === other.#keyList();
  }

  #keyList(): string {
    return JSON.stringify(this.keys.map(({ id, issuers = null }) => [id, issuers]));
  }

  /**
   * D-45: the subject never comes from the manifest, but for development. `svid` is said of a certificate of a live handshake only.
   * An authorization server's subjects are names in its own words, so that the configuration maps them.
   */
  #identify({ subject, source }: Caller): Identified | null {
    if (source === 'svid') return { subject, source: 'svid' };
    if (source === 'jwt-svid') return { subject, source: 'config' };
    const { subjects, guesses, manifests } = this.#parts;
    const mapped = Object.hasOwn(subjects, subject) ? subjects[subject] : undefined;
    if (mapped !== undefined) return { subject: mapped, source: 'config' };
    if (source !== 'oauth' && SPIFFE_ID.test(subject)) return { subject, source: 'config' };
    const [only, ...others] = manifests.keys();
    return guesses && only !== undefined && others.length === 0 ? { subject: only, source: 'manifest-dev' } : null;
  }
}

/** The scope of a manifest under a catalog: the flat hash covers all of the catalog, the tree its tools only. */
export function scopeUnder(manifest: AgentManifest, catalog: Catalog): IntentScope {
  return intentScope(manifest.scope, isFlat(manifest, catalog));
}

/** Whether it binds the catalog by the hash that catalogs have, not by the root of a tree (C-08). */
export function isFlat({ facts }: AgentManifest, { hash }: Catalog): boolean {
  return facts.tool_catalog_hash === hash;
}
