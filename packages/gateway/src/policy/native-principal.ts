import { checkParseEntities, type EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Caller } from '../caller.ts';
import type { NativeSchema } from './native-schema.ts';
import { SCHEMA_FILE } from './native-schema.ts';
import { projectRecord } from './shape.ts';
import { refuseBundle } from './text.ts';

/** The entity of whoever asks; null where a schema declares nothing of it but its name. */
export type NativePrincipal = (caller: Caller) => EntityJson | null;

/** Every attribute and every group that an agent can have, and the least. */
const EXAMPLES: readonly Caller[] = [
  { subject: 'agent', source: 'oauth', scopes: ['scope'], groups: ['group'], onBehalfOf: 'user' },
  { subject: 'agent', source: 'bearer' },
];

/**
 * What policies see of the principal: its groups as parents, and those of its attributes that the schema declares.
 *
 * @throws GatewayError POLICY_INVALID when the schema declares what not every agent has, or with another type
 */
export function nativePrincipal(schema: NativeSchema): NativePrincipal {
  const { isGroup, attributes } = schema.agent;
  if (isGroup === null && attributes.attributes.size === 0) return () => null;
  const entityOf = (caller: Caller): EntityJson => ({
    uid: { type: 'Agent', id: caller.subject },
    attrs: projectRecord(attributesOf(caller), attributes, 'fully'),
    parents: groupsOf(caller, isGroup),
  });
  for (const example of EXAMPLES) requireFit(schema, entityOf(example));
  return entityOf;
}

function attributesOf({ source, scopes, onBehalfOf }: Caller): EntityJson['attrs'] {
  return {
    source,
    scopes: distinct(scopes ?? []),
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
  };
}

/** In one order, so that the same groups are remembered once. */
function groupsOf({ groups }: Caller, isGroup: NativeSchema['agent']['isGroup']): EntityJson['parents'] {
  if (isGroup === null) return [];
  return distinct(groups ?? []).flatMap((id) => (isGroup(id) ? [{ type: 'Group', id }] : []));
}

const distinct = (names: readonly string[]): string[] => [...new Set(names)].sort();

function requireFit(schema: NativeSchema, agent: EntityJson): void {
  const checked = checkParseEntities({ entities: [agent], schema: schema.text });
  if (checked.type === 'success') return;
  const problem = checked.errors.map(({ message }) => message).join('; ');
  throw refuseBundle(
    SCHEMA_FILE,
    `the gateway's Agent entities do not fit: ${problem}; agents have "source", "scopes" and, some of them, "on_behalf_of"?`,
  );
}
