import { type JsonValue, stringifyJson } from '@cmcp/evidence';
import type { CatalogDiff, ItemChange, Part } from '@cmcp/gateway';
import { findingsText } from '../findings.ts';
import { textDiff } from './text-diff.ts';
import { visible } from './visible.ts';

/** What changes in a catalog, for a person: server by server, and then what the changes introduce. */
export function diffText(diff: CatalogDiff): string {
  if (diff.changes.length === 0) return 'Nothing changes.\n';
  const servers = [...new Set(diff.changes.map(({ server }) => server))];
  const blocks = servers.map((server) =>
    serverText(
      server,
      diff.changes.filter((change) => change.server === server),
    ),
  );
  return `${[...blocks, introducedText(diff)].join('\n\n')}`;
}

function serverText(server: string, changes: readonly ItemChange[]): string {
  return [`server ${visible(server)}`, ...changes.map(itemText)].join('\n');
}

function itemText({ kind, name, change, parts }: ItemChange): string {
  const head = `  ${kind === 'server' ? 'the server itself' : `${kind} ${visible(name)}`}: ${change}`;
  return change === 'removed' ? head : [head, ...parts.map(partText)].join('\n');
}

function partText({ path, before, after }: Part): string {
  const place = `    ${visible(path)}`;
  if (typeof before === 'string' && typeof after === 'string') {
    const lines = textDiff(before, after).map(({ side, text }) => `      ${side} ${visible(text)}`);
    return [place, ...lines].join('\n');
  }
  return [place, ...shown('-', before), ...shown('+', after)].join('\n');
}

function shown(side: '-' | '+', value: JsonValue | undefined): string[] {
  if (value === undefined) return [];
  // A text that could be taken for a number or the like is set in quotes, as in the file.
  const plain = typeof value === 'string' && !/^(?:true|false|null|-?\d.*)?$/.test(value);
  const lines = plain ? value.split('\n') : [stringifyJson(value)];
  return lines.map((line) => `      ${side} ${visible(line)}`);
}

function introducedText({ introduces }: CatalogDiff): string {
  if (introduces.length === 0) return 'The change introduces nothing that would need a second look.\n';
  return findingsText(
    'introduced',
    introduces.map((finding) => ({ ...finding, where: visible(finding.where), message: visible(finding.message) })),
  );
}
