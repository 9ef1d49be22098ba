import type { Command } from './command.ts';
import { columns } from './table.ts';

const EXIT_CODES =
  'Exit codes: 0 done or verified, 1 refused or not verified, 2 wrong usage, 3 the environment lacks something.';

/** What `cmcp --help` prints. */
export function overview(commands: readonly Command[], version: string): string {
  const rows = commands.map(({ name, summary }) => [`  ${name}`, summary]);
  return [
    `cmcp ${version}: a confidential MCP gateway. Every tool call is decided by policy and recorded in a signed chain.`,
    '',
    'Usage: cmcp <command> [options]',
    '',
    'Commands:',
    columns(rows),
    '',
    'cmcp <command> --help explains a command. First time here: cmcp demo',
    EXIT_CODES,
    '',
  ].join('\n');
}

/** What `cmcp <command> --help` prints. */
export function commandHelp(command: Command): string {
  const options = Object.entries({ ...command.options, help: { help: 'Print this.' } }).map(([name, option]) => {
    const value = 'value' in option && option.value !== undefined ? ` ${option.value}` : '';
    const again = 'multiple' in option && option.multiple ? ' May be repeated.' : '';
    return [`  --${name}${value}`, `${option.help}${again}`];
  });
  return [
    `cmcp ${command.name}: ${command.summary}`,
    '',
    `Usage: cmcp ${[command.name, command.usage].filter(Boolean).join(' ')}`,
    '',
    ...command.description,
    '',
    'Options:',
    columns(options),
    '',
    'Examples:',
    ...command.examples.flatMap(([line, what]) => [`  # ${what}`, `  ${line}`]),
    '',
    EXIT_CODES,
    '',
  ].join('\n');
}
