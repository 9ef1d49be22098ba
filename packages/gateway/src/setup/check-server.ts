import { comparePin, type Pinned } from '../catalog/drift.ts';
import { linkedResource } from '../catalog/resources.ts';
import type { Catalog, CatalogServer } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import type { Listed, Upstream } from '../upstream/types.ts';
import { type Offered, offeredBy } from './offered.ts';

/** How a live definition departed from the approved one. */
interface Change {
  kind: 'definition_changed' | 'withdrawn';
  /** Which members changed. */
  classification: string;
}

/** A tool whose live definition is not the approved one. */
export interface ChangedTool extends Change {
  tool: string;
}

export interface ChangedPrompt extends Change {
  prompt: string;
}

export interface ServerCheck {
  id: string;
  name: string;
  status: 'as approved' | 'changed' | 'unreachable' | 'not asked';
  /** Tools. */
  approved: number;
  changed: ChangedTool[];
  /** Tools that the server offers and nobody approved: agents do not see them. */
  unapproved: string[];
  /** Pinned by URI and digest, so that what the server says of them is not compared. */
  resources: { approved: number; unapproved: string[] };
  templates: { approved: number; unapproved: string[] };
  prompts: { approved: number; changed: ChangedPrompt[]; unapproved: string[] };
  /** `not approved`: the server states some, and agents are not shown them. */
  instructions: 'none' | 'as approved' | 'changed' | 'not approved' | 'not asked';
  /** Why it could not be asked, or what it would not tell. */
  detail: string | null;
}

const LIST_TIMEOUT_MS = 30_000;

/** Holds what a server offers now to what was approved of it. */
export async function checkServer(catalog: Catalog, server: CatalogServer, upstream: Upstream): Promise<ServerCheck> {
  try {
    const found = await offeredBy(upstream, LIST_TIMEOUT_MS);
    return compared(catalog, server, found);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return uncheckedServer(catalog, server, 'unreachable', `${error.code}: ${error.detail}`);
  }
}

/** What is known of a server that was not, or could not be, asked. */
export function uncheckedServer(
  catalog: Catalog,
  server: CatalogServer,
  status: 'unreachable' | 'not asked',
  detail: string | null,
): ServerCheck {
  const { tools, prompts, named, patterns } = approvedOf(catalog, server);
  return {
    id: server.id,
    name: server.displayName,
    status,
    approved: tools.length,
    changed: [],
    unapproved: [],
    resources: { approved: named.length, unapproved: [] },
    templates: { approved: patterns.length, unapproved: [] },
    prompts: { approved: prompts.length, changed: [], unapproved: [] },
    instructions: server.instructions === null ? 'none' : 'not asked',
    detail,
  };
}

function compared(catalog: Catalog, server: CatalogServer, { offered, instructions, untold }: Offered): ServerCheck {
  const approved = approvedOf(catalog, server);
  const needed = [
    ...(approved.prompts.length > 0 ? ['prompts'] : []),
    ...(server.instructions ? ['instructions'] : []),
  ];
  const detail = untold.length === 0 ? null : untold.map(({ kind, reason }) => `${kind}: ${reason}`).join('; ');
  // What the gateway compares before a call it must be able to compare; the rest is for information.
  if (untold.some(({ kind }) => needed.includes(kind))) return uncheckedServer(catalog, server, 'unreachable', detail);
  const changed = changes(approved.tools, offered.tools).map(([tool, change]) => ({ tool, ...change }));
  const changedPrompts = changes(approved.prompts, offered.prompts).map(([prompt, change]) => ({ prompt, ...change }));
  const stated = instructionsCheck(server.instructions, instructions);
  const drifted = changed.length > 0 || changedPrompts.length > 0 || stated === 'changed';
  const templates = new Set(approved.patterns.map(({ text }) => text));
  return {
    id: server.id,
    name: server.displayName,
    status: drifted ? 'changed' : 'as approved',
    approved: approved.tools.length,
    changed,
    unapproved: unapproved(approved.tools, offered.tools),
    resources: {
      approved: approved.named.length,
      unapproved: keys(offered.resources).filter((uri) => linkedResource(catalog, server, uri) === null),
    },
    templates: {
      approved: approved.patterns.length,
      unapproved: keys(offered.resourceTemplates).filter((text) => !templates.has(text)),
    },
    prompts: {
      approved: approved.prompts.length,
      changed: changedPrompts,
      unapproved: unapproved(approved.prompts, offered.prompts),
    },
    instructions: stated,
    detail,
  };
}

function approvedOf(catalog: Catalog, { id }: CatalogServer) {
  const own = (item: { server: CatalogServer }): boolean => item.server.id === id;
  const patterns = catalog.resources.filter(own).map(({ pattern }) => pattern);
  return {
    tools: catalog.tools.filter(own),
    prompts: catalog.prompts.filter(own),
    named: patterns.filter((pattern) => pattern.kind === 'uri'),
    patterns: patterns.flatMap((pattern) => (pattern.kind === 'template' ? [pattern.template] : [])),
  };
}

function changes(approved: readonly Pinned[], offered: readonly Listed[]): [string, Change][] {
  const live = new Map(offered.map(({ key, definition }) => [key, definition]));
  return approved.flatMap((item): [string, Change][] => {
    const found = comparePin(item, live.get(item.upstreamName));
    return found.kind === 'same' ? [] : [[item.name, { kind: found.kind, classification: found.classification }]];
  });
}

function unapproved(approved: readonly Pinned[], offered: readonly Listed[]): string[] {
  const names = new Set(approved.map(({ upstreamName }) => upstreamName));
  return keys(offered).filter((name) => !names.has(name));
}

function keys(offered: readonly Listed[]): string[] {
  return offered.map(({ key }) => key);
}

function instructionsCheck(approved: string | null, live: string | null): ServerCheck['instructions'] {
  if (approved !== null) return live === approved ? 'as approved' : 'changed';
  return live === null || live === '' ? 'none' : 'not approved';
}
