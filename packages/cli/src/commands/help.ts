import type { SettingRow } from '@cmcp/gateway';
import type { Command } from '../command.ts';
import { JSON_OPTION } from '../command.ts';
import { EXIT, UsageError } from '../io.ts';

export const helpCommand: Command = {
  name: 'help',
  usage: '[COMMAND | config]',
  summary: 'explain a command, or every key of the configuration',
  description: ['`cmcp help config` lists every key of cmcp.yaml with its type, default and meaning.'],
  options: {
    markdown: { help: 'Print the keys as the page docs/configuration.md.' },
    json: JSON_OPTION,
  },
  examples: [
    ['cmcp help verify', 'What verification proves, and its options'],
    ['cmcp help config', 'Every key of cmcp.yaml'],
  ],
  async run(given, io) {
    const [topic] = given.positionals;
    if (topic !== 'config')
      throw new UsageError(`no help on ${JSON.stringify(topic ?? '')}; topics are the commands, and config`);
    const { CONFIG_SCHEMA } = await import('@cmcp/gateway');
    const rows = CONFIG_SCHEMA.rows('');
    if (given.has('json')) io.out(`${JSON.stringify(rows, null, 2)}\n`);
    else io.out(given.has('markdown') ? configurationPage(rows) : rows.map(asText).join('\n'));
    return EXIT.done;
  },
};

function asText({ key, type, default: fallback, meaning }: SettingRow): string {
  const given = fallback === null ? 'has no default' : `default ${fallback}`;
  return `${key}\n  ${meaning}\n  ${type}; ${given}\n`;
}

/** docs/configuration.md, whole: a test compares. */
function configurationPage(rows: SettingRow[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  const lines = rows.map(({ key, type, default: fallback, meaning }) => {
    const shown = fallback === null ? '' : `\`${fallback}\``;
    return `| \`${key}\` | ${cell(type)} | ${shown} | ${cell(meaning)} |`;
  });
  return `# Configuration: \`cmcp.yaml\`

Written by \`cmcp help config --markdown\` from the table that the gateway itself reads; a test keeps the two the same.

The file is one YAML mapping. An empty file means the defaults. A key that is not listed here, at any depth, is refused
with its line and the nearest known key; so are a key given twice, YAML aliases and tags, and a second document.
Durations are a whole number and a unit: \`500ms\`, \`30s\`, \`15m\`, \`12h\`, \`7d\`. Paths start at the folder of the file
and may not contain \`..\`; policy and catalog lie inside that folder, also behind symbolic links.

\`\${NAME}\` stands for an environment variable in \`upstreams.*.env\`, \`upstreams.*.headers\` and \`inspection.classifier.headers\`, and
nowhere else; \`$$\` is a dollar sign there. A variable that is not set is an error.

| Variable | Meaning |
|---|---|
| \`CMCP_DEV_MODE\` | Exactly \`1\`: software keys are accepted, which prove nothing about the machine, and the pins below are optional. Read once, at start. |
| \`CMCP_POLICY_HASH\` | The approved policy hash, as \`policy.hash\`. Given in both places, they must be equal. |
| \`CMCP_CATALOG_HASH\` | The approved catalog hash, as \`catalog.hash\`. Given in both places, they must be equal. |

Outside dev mode the catalog hash is required, and the policy hash or \`policy.key\`. \`cmcp check\` prints the hashes.

| Key | Accepts | Default | Meaning |
|---|---|---|---|
${lines.join('\n')}
`;
}
