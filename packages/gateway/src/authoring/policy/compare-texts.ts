import { type SchemaJson, schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Bundle } from '../../policy/bundle.ts';
import { POSITIONAL } from '../../policy/names.ts';
import { readSchema, SCHEMA_FILE } from '../../policy/native-schema.ts';
import type { BundlePolicy } from '../../policy/parse.ts';

/** Something that is written differently in two bundles, whether or not it decides differently. */
export interface TextChange {
  change: 'added' | 'removed' | 'changed';
  what: 'policy' | 'action' | 'type' | 'schema' | 'request form';
  name: string;
  /** `file:line` in the new bundle, or in the old one for what was removed. */
  where: string;
}

/** What is written differently. Policies go by their `@id`; those without by their text, since their place says nothing. */
export function textChanges(before: Bundle, after: Bundle): TextChange[] {
  const form: TextChange = { change: 'changed', what: 'request form', name: 'cmcp_request', where: 'manifest.json' };
  return [
    ...(before.request === after.request ? [] : [form]),
    ...policyChanges(before.policies, after.policies),
    ...schemaChanges(before, after),
  ];
}

function policyChanges(before: readonly BundlePolicy[], after: readonly BundlePolicy[]): TextChange[] {
  const [old, young] = [byKey(before), byKey(after)];
  const change = (kind: TextChange['change'], { id, path, line }: BundlePolicy): TextChange => {
    return { change: kind, what: 'policy', name: id, where: `${path}:${line}` };
  };
  return [
    ...[...old].filter(([key]) => !young.has(key)).map(([, policy]) => change('removed', policy)),
    ...[...young].flatMap(([key, policy]) => {
      const was = old.get(key);
      if (was === undefined) return [change('added', policy)];
      return was.text === policy.text ? [] : [change('changed', policy)];
    }),
  ];
}

/** The second of two equal texts is another policy. */
function byKey(policies: readonly BundlePolicy[]): Map<string, BundlePolicy> {
  const keyed = new Map<string, BundlePolicy>();
  for (const policy of policies) {
    let key = POSITIONAL.test(policy.id) ? `text ${policy.text}` : `id ${policy.id}`;
    while (keyed.has(key)) key += ' again';
    keyed.set(key, policy);
  }
  return keyed;
}

/** Cedar never reads the schema of a bundle of the reference's form. */
function schemaChanges(before: Bundle, after: Bundle): TextChange[] {
  if (before.schema === after.schema) return [];
  const whole: TextChange = { change: 'changed', what: 'schema', name: SCHEMA_FILE, where: SCHEMA_FILE };
  if (before.request === 'compat' || after.request === 'compat') return [whole];
  const changes = [declared(before.schema), declared(after.schema)] as const;
  const found = namedChanges(...changes);
  // Order and comments.
  return found.length === 0 ? [whole] : found;
}

interface Declared {
  what: TextChange['what'];
  name: string;
  text: string;
}

function declared(schema: string): Map<string, Declared> {
  const all = new Map<string, Declared>();
  const add = (what: Declared['what'], members: Record<string, unknown>, space: string): void => {
    for (const [name, each] of Object.entries(members)) {
      const full = space === '' ? name : `${space}::${name}`;
      all.set(`${what} ${full}`, { what, name: full, text: JSON.stringify(each) });
    }
  };
  for (const [space, part] of Object.entries<SchemaJson<string>[string]>(readSchema(schemaToJson(schema)))) {
    add('type', part.entityTypes, space);
    add('type', part.commonTypes ?? {}, space);
    add('action', part.actions, space);
  }
  return all;
}

function namedChanges(before: Map<string, Declared>, after: Map<string, Declared>): TextChange[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort();
  return keys.flatMap((key): TextChange[] => {
    const [old, young] = [before.get(key), after.get(key)];
    const { what, name } = young ?? old ?? { what: 'schema', name: SCHEMA_FILE };
    const change = old === undefined ? 'added' : young === undefined ? 'removed' : 'changed';
    return old?.text === young?.text ? [] : [{ change, what, name, where: SCHEMA_FILE }];
  });
}
