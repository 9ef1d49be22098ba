import { printable } from '@cmcp/evidence';
import type { CheckReport, ServerCheck, SignatureState } from '@cmcp/gateway';
import { modeText } from '../mode-text.ts';
import { columns, table } from '../table.ts';

const SERVER_COLUMNS = ['server', 'status', 'tools', 'resources', 'templates', 'prompts', 'remarks'];
/** More names than this tell a person nothing; `--json` has all. */
const MAX_NAMES = 10;

const SIGNATURE: Readonly<Record<SignatureState, string>> = {
  valid: 'signed by the pinned key or its successor',
  invalid: 'signature refused',
  missing: 'not signed',
  none: 'not signed',
  'no key pinned': 'signed, and not checked: no policy.key is pinned',
};

/** What `cmcp check` found, for a person. */
export function checkText(file: string, report: CheckReport): string {
  const { policy, catalog, servers, problems } = report;
  const blocks = [
    columns([
      ['configuration', file],
      ['mode', modeText(report.mode)],
      [
        'policy',
        `${policy.path} (${policy.version === null ? 'not loaded' : `version ${policy.version}`}, hash ${policy.pin}, ${SIGNATURE[policy.signature]}, approval ${policy.approval})`,
      ],
      ['catalog', `${catalog.path} (${counts(catalog)}, hash ${catalog.pin}, approval ${catalog.approval})`],
      ['inspection', inspectionText(report.inspection)],
    ]),
  ];
  if (servers.length > 0) blocks.push(table(SERVER_COLUMNS, servers.map(serverRow)));
  if (policy.warnings.length > 0) blocks.push(['Policy warnings:', ...policy.warnings.map(item)].join('\n'));
  if (policy.hash !== null && catalog.hash !== null) blocks.push(pins(policy.hash, catalog.hash));
  if (problems.length > 0)
    blocks.push(['Problems:', ...problems.map(({ code, detail }) => item(`${code}: ${detail}`))].join('\n'));
  blocks.push(
    report.ok ? 'All is well.' : 'Not all is well: this would not start, or not serve everything that is approved.',
  );
  return `${blocks.join('\n\n')}\n`;
}

function inspectionText({ path, hash, version, own }: CheckReport['inspection']): string {
  const loaded = hash === null ? 'not loaded' : `version ${version}, ${own} rules of yours, ${hash}`;
  return path === null ? `built-in rules (${hash})` : `${path} (${loaded})`;
}

function item(words: string): string {
  return `  - ${words.split('\n').map(printable).join('\n    ')}`;
}

function pins(policy: string, catalog: string): string {
  return [
    'Hashes to pin, once you have reviewed what they stand for:',
    `  policy:  {hash: "${policy}"}`,
    `  catalog: {hash: "${catalog}"}`,
  ].join('\n');
}

function counts({ tools, resources, templates, prompts }: CheckReport['catalog']): string {
  return `${tools} tools, ${resources} resources, ${templates} templates, ${prompts} prompts`;
}

function serverRow(check: ServerCheck): string[] {
  const { id, status, approved, resources, templates, prompts, detail } = check;
  const remarks = [
    ...check.changed.map(({ tool, ...change }) => changeText(tool, change)),
    ...prompts.changed.map(({ prompt, ...change }) => changeText(`prompt ${prompt}`, change)),
    ...(check.instructions === 'changed' ? ['its instructions changed'] : []),
    ...unapprovedText('', check.unapproved),
    ...unapprovedText('resources ', resources.unapproved),
    ...unapprovedText('templates ', templates.unapproved),
    ...unapprovedText('prompts ', prompts.unapproved),
    ...(check.instructions === 'not approved' ? ['its instructions are not approved'] : []),
    ...(detail === null ? [] : [detail]),
  ];
  const approvals = [approved, resources.approved, templates.approved, prompts.approved].map(String);
  return [id, status, ...approvals, printable(remarks.join('; '))];
}

function changeText(name: string, { kind, classification }: { kind: string; classification: string }): string {
  return kind === 'withdrawn' ? `${name} is no longer offered` : `${name} changed (${classification})`;
}

function unapprovedText(kind: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  return [`${kind}offered but not approved: ${names.slice(0, MAX_NAMES).join(', ')}${more}`];
}
