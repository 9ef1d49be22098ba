import { printable } from '@cmcp/evidence';
import type { InitResult } from '@cmcp/gateway';
import { countText } from '../findings.ts';
import { table } from '../table.ts';

/** More lines than this tell a person nothing; `--json` names all. */
const MAX_LEFT_OUT = 20;
const KINDS = {
  tools: 'tool',
  resources: 'resource',
  templates: 'template',
  prompts: 'prompt',
  instructions: 'instructions',
};

/** What was approved of each server: how much of each kind, and what was suggested of the tools. Nothing for no server. */
export function approvedText({ servers }: InitResult): string {
  const some = servers.some(({ tools }) => tools.length > 0);
  return [...(servers.length > 0 ? [countsText(servers)] : []), ...(some ? [effectsText(servers)] : [])]
    .map((block) => `${block}\n\n`)
    .join('');
}

/** A line for each server, and each thing of a server, that was left out. */
export function leftOutText(result: InitResult): string {
  const reasons = [...result.leftOut.map(({ name, reason }) => `${name}: ${reason}`), ...leftOutItemsText(result)];
  return reasons.map((reason) => `left out: ${printable(reason)}\n`).join('');
}

/** How much the linter found in what was approved, and how to read it. */
export function findingsHint({ findings, config }: InitResult): string {
  if (findings.length === 0 || config === null) return '';
  return `catalog.json: ${countText(findings)}. Read first: cmcp catalog lint --config ${config}\n`;
}

function countsText(servers: InitResult['servers']): string {
  const header = ['server', 'tools', 'resources', 'templates', 'prompts', 'instructions'];
  const rows = servers.map(({ id, tools, resources, templates, prompts, instructions }) => [
    id,
    ...[tools, resources, templates, prompts].map(({ length }) => String(length)),
    instructions ? 'yes' : 'no',
  ]);
  return table(header, rows);
}

function effectsText(servers: InitResult['servers']): string {
  const rows = servers.flatMap(({ id, tools }) =>
    tools.map(({ name, effects }, index) => [index === 0 ? id : '', printable(name), effects]),
  );
  return table(['server', 'tool', 'effects (suggested)'], rows);
}

function leftOutItemsText({ leftOutItems }: InitResult): string[] {
  const lines = leftOutItems.map(({ server, kind, key, reason }) => {
    const what = key === null ? `all ${kind === 'instructions' ? kind : `${KINDS[kind]}s`}` : `${KINDS[kind]} ${key}`;
    return `${server}: ${what}: ${reason}`;
  });
  const more = lines.length - MAX_LEFT_OUT;
  return more > 0 ? [...lines.slice(0, MAX_LEFT_OUT), `and ${more} more, which --json names`] : lines;
}
