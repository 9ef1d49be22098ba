import type { Action } from './action.ts';
import { CONFIG_OPTION, type Command, JSON_OPTION } from './command.ts';
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
  return command.actions === undefined ? pageOf(command) : groupHelp(command, command.actions);
}

/** What `cmcp <command> <action> --help` prints. */
export function actionHelp(command: Command, action: Action): string {
  const options = { config: CONFIG_OPTION, json: JSON_OPTION, ...action.options };
  return pageOf({ ...action, name: `${command.name} ${action.name}`, usage: usageOf(action), options, summary: null });
}

function groupHelp({ name, usage, summary, examples }: Command, actions: readonly Action[]): string {
  return [
    `cmcp ${name}: ${summary}`,
    '',
    `Usage: cmcp ${name} ${usage}`,
    '',
    'Actions:',
    columns(actions.map((action) => [`  ${action.name}`, sentenceOf(action)])),
    '',
    `cmcp ${name} <action> --help explains one, with its options.`,
    '',
    ...examplesText(examples),
    EXIT_CODES,
    '',
  ].join('\n');
}

/** The first sentence, or what of it stands before a colon. */
function sentenceOf({ description }: Action): string {
  return description.join(' ').split(/[.:](?:\s|$)/, 1)[0] ?? '';
}

/** Without the action's own name, which begins each form of its usage. */
function usageOf({ name, usage }: Action): string {
  return usage.startsWith(name) ? usage.slice(name.length).trim() : usage;
}

function examplesText(examples: Command['examples']): string[] {
  return ['Examples:', ...examples.flatMap(([line, what]) => [`  # ${what}`, `  ${line}`]), ''];
}

interface Page extends Pick<Command, 'name' | 'usage' | 'description' | 'options' | 'examples'> {
  /** Null: the description says it. */
  summary: string | null;
}

function pageOf(command: Page): string {
  const options = Object.entries({ ...command.options, help: { help: 'Print this.' } }).map(([name, option]) => {
    const value = 'value' in option && option.value !== undefined ? ` ${option.value}` : '';
    const again = 'multiple' in option && option.multiple ? ' May be repeated.' : '';
    return [`  --${name}${value}`, `${option.help}${again}`];
  });
  return [
    ...(command.summary === null ? [] : [`cmcp ${command.name}: ${command.summary}`, '']),
    `Usage: cmcp ${[command.name, command.usage].filter(Boolean).join(' ')}`,
    '',
    ...command.description,
    '',
    'Options:',
    columns(options),
    '',
    ...examplesText(command.examples),
    EXIT_CODES,
    '',
  ].join('\n');
}
