import { list, named, text } from './readers.ts';

/** What a scope lets be used. `tools` is all of them; `tools:read` those that the catalog marks as only reading. */
export type Grant =
  | { kind: 'tools' | 'tools:read' | 'resources' | 'prompts' }
  /** One tool of the catalog. */
  | { kind: 'tool'; name: string }
  /** Everything of one server. */
  | { kind: 'server'; id: string };

/** By the names of scopes. */
export type ScopeTable = Readonly<Record<string, readonly Grant[]>>;

/** Where the configuration has no table of its own. */
export const USUAL_SCOPES: ScopeTable = {
  'mcp:tools': [{ kind: 'tools' }],
  'mcp:tools:read': [{ kind: 'tools:read' }],
  'mcp:resources': [{ kind: 'resources' }],
  'mcp:prompts': [{ kind: 'prompts' }],
};

/** RFC 6749 section 3.3, without what would need quoting in a challenge. */
const SCOPE_NAME = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;

const grant = text<Grant>('tools, tools:read, resources, prompts, tool:<name> or server:<id>', (given) => {
  if (given === 'tools' || given === 'tools:read' || given === 'resources' || given === 'prompts')
    return { kind: given };
  const [, what, name = ''] = /^(tool|server):(.+)$/.exec(given) ?? [];
  if (what === 'tool') return { kind: 'tool', name };
  return what === 'server' ? { kind: 'server', id: name } : undefined;
});

/** `identity.scopes`. */
export const scopesSection = named('scope', SCOPE_NAME, list(grant), 'What the scope lets be used.');
