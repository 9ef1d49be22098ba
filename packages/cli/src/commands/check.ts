import { printable } from '@cmcp/evidence';
import type { CheckReport, ServerCheck } from '@cmcp/gateway';
import { CONFIG_OPTION, type Command, DEFAULT_CONFIG, JSON_OPTION } from '../command.ts';
import { EXIT } from '../io.ts';
import { columns, table } from '../table.ts';

export const checkCommand: Command = {
  name: 'check',
  usage: '[--config FILE] [--offline] [--json]',
  summary: 'check configuration, policy, catalog and servers; print the hashes to pin',
  description: [
    'Checks what starting would check, without serving: the configuration, the policy bundle against its schema, the catalog,',
    'and with each server whether it still offers what was approved. Exit code 1 when anything is wrong.',
  ],
  options: {
    config: CONFIG_OPTION,
    offline: { help: 'Ask no server anything.' },
    json: JSON_OPTION,
  },
  examples: [
    ['cmcp check --config cmcp/cmcp.yaml', 'Everything, with the servers'],
    ['cmcp check --offline --json', 'For a pipeline that has no servers'],
  ],
  async run(given, io) {
    const { checkSetup, readConfig, readEnvironment } = await import('@cmcp/gateway');
    const environment = readEnvironment(io.variables);
    const config = await readConfig(given.one('config') ?? DEFAULT_CONFIG, environment);
    const report = await checkSetup(config, {
      environment,
      offline: given.has('offline'),
    });
    io.out(
      given.has('json')
        ? `${JSON.stringify({ config: config.file, ...report }, null, 2)}\n`
        : text(config.file, report),
    );
    return report.ok ? EXIT.done : EXIT.refused;
  },
};

function text(file: string, report: CheckReport): string {
  const { policy, catalog, servers, problems } = report;
  const blocks = [
    columns([
      ['configuration', file],
      [
        'policy',
        `${policy.path} (${policy.version === null ? 'not loaded' : `version ${policy.version}`}, hash ${policy.pin})`,
      ],
      ['catalog', `${catalog.path} (${catalog.tools} tools, hash ${catalog.pin})`],
    ]),
  ];
  if (servers.length > 0) blocks.push(table(['server', 'status', 'tools', 'remarks'], servers.map(serverRow)));
  if (policy.warnings.length > 0) blocks.push(['Policy warnings:', ...policy.warnings.map(item)].join('\n'));
  if (policy.hash !== null && catalog.hash !== null) blocks.push(pins(policy.hash, catalog.hash));
  if (problems.length > 0)
    blocks.push(['Problems:', ...problems.map(({ code, detail }) => item(`${code}: ${detail}`))].join('\n'));
  blocks.push(report.ok ? 'All is well.' : 'Not all is well: this would not start, or not serve every approved tool.');
  return `${blocks.join('\n\n')}\n`;
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

function serverRow({ id, status, approved, changed, unapproved, detail }: ServerCheck): string[] {
  const remarks = changed.map(({ tool, kind, classification }) =>
    kind === 'withdrawn' ? `${tool} is no longer offered` : `${tool} changed (${classification})`,
  );
  if (unapproved.length > 0) remarks.push(`offered but not approved: ${unapproved.join(', ')}`);
  if (detail !== null) remarks.push(detail);
  return [id, status, String(approved), printable(remarks.join('; '))];
}
