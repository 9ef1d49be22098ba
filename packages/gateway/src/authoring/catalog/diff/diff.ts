import {
  canonicalSorted,
  digest,
  isObject,
  type JsonObject,
  type JsonValue,
  member,
  stringifyJson,
} from '@cmcp/evidence';
import { parseCatalog } from '../../../catalog/load.ts';
import type { Ranks } from '../../../policy/sensitivity.ts';
import type { Finding } from '../../finding.ts';
import { lintCatalog } from '../lint/lint.ts';
import { introducedBy, namesOf } from './introduced.ts';
import { type Item, type ItemKind, itemsOf } from './items.ts';
import { differences, type Part } from './leaves.ts';

/** What became of one server, tool, resource, template or prompt. */
export interface ItemChange {
  kind: ItemKind;
  server: string;
  name: string;
  change: 'added' | 'removed' | 'changed';
  parts: Part[];
}

export interface CatalogDiff {
  before: string;
  after: string;
  changes: ItemChange[];
  /** What the changes bring that was not there, worst first; what was there before and stays is not in it. */
  introduces: Finding[];
}

/** A catalog as it is written, with the name of its file for messages. */
export interface CatalogText {
  file: string;
  json: JsonValue;
}

const SEVERITIES: readonly Finding['severity'][] = ['error', 'warning', 'info'];

/** Compares two catalogs of either form, by name. @throws GatewayError CATALOG_INVALID for one that does not load */
export function diffCatalogs(before: CatalogText, after: CatalogText, ranks: Ranks): CatalogDiff {
  const [old, now] = [before, after].map(({ file, json }) => parseCatalog(stringifyJson(json), file, ranks));
  if (old === undefined || now === undefined) throw new TypeError('two catalogs make two');
  const [oldItems, newItems] = [byKey(itemsOf(old)), byKey(itemsOf(now))];
  const all = [...oldItems.values(), ...newItems.values()];
  const tools = new Set(all.filter(({ kind }) => kind === 'tool').flatMap(namesOf));
  const keys = [...new Set([...newItems.keys(), ...oldItems.keys()])];
  const changes = keys.map((key) => changeOf(oldItems.get(key) ?? null, newItems.get(key) ?? null));
  const introduced = [...newItems].flatMap(([key, item]) => {
    const was = oldItems.get(key) ?? null;
    return was !== null && sameItem(was, item) ? [] : introducedBy(was, item, tools);
  });
  const findings = [...introduced, ...newlyLinted(before.json, after.json)];
  return {
    before: old.hash,
    after: now.hash,
    changes: changes.filter(({ parts }) => parts.length > 0),
    introduces: SEVERITIES.flatMap((severity) => findings.filter((finding) => finding.severity === severity)),
  };
}

/** What all who approve a change must have before them. */
export function changeSetDigest({ before, after, changes }: CatalogDiff): string {
  const listed = changes.map(({ kind, name, change, parts }) => [
    kind,
    name,
    change,
    parts.map((part) => ({ ...part })),
  ]);
  return digest(canonicalSorted({ before, after, changes: listed }));
}

function byKey(items: readonly Item[]): Map<string, Item> {
  return new Map(items.map((item) => [`${item.kind} ${item.name}`, item]));
}

function sameItem(before: Item, after: Item): boolean {
  return differences(before.says, after.says).length === 0;
}

function changeOf(before: Item | null, after: Item | null): ItemChange {
  const item = after ?? before;
  if (item === null) throw new TypeError('a change is of something');
  const { kind, server, name } = item;
  const change = before === null ? 'added' : after === null ? 'removed' : 'changed';
  const parts = after === null ? [{ path: '' }] : differences(before?.says, after.says);
  return { kind, server, name, change, parts };
}

/** What the linter finds in a catalog, by places that say something to a person. */
export function namedFindings(catalog: JsonValue): Finding[] {
  return lintCatalog(catalog).map((finding) => ({ ...finding, where: namedPlace(finding.where, catalog) }));
}

/** The linter’s findings that the catalog before did not have. */
function newlyLinted(before: JsonValue, after: JsonValue): Finding[] {
  const known = new Set(lintCatalog(before).map(({ rule, message }) => `${rule}\n${message}`));
  return namedFindings(after).filter(({ rule, message }) => !known.has(`${rule}\n${message}`));
}

/** `/tools/3/definition/title` is `tool search /definition/title`: an index says nothing to a person. */
function namedPlace(where: string, catalog: JsonValue): string {
  const [, list = '', index = '', rest = ''] = /^\/(servers|tools|resources|prompts)\/(\d+)(.*)$/s.exec(where) ?? [];
  const items = isObject(catalog) ? member(catalog, list) : undefined;
  const record: JsonValue | undefined = Array.isArray(items) ? items[Number(index)] : undefined;
  if (!isObject(record)) return where;
  return `${list.slice(0, -1)} ${nameOf(record)}${rest === '' ? '' : ` ${rest}`}`;
}

function nameOf(record: JsonObject): string {
  return String(member(record, 'name') ?? member(record, 'id') ?? '');
}
