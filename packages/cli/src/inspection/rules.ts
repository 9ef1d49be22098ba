import { printable } from '@cmcp/evidence';
import type { RuleList } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { table } from '../table.ts';

export const testAction: Action = {
  name: 'test',
  usage: 'test [--config FILE]',
  description: [
    'Loads the file that `inspection.path` names and runs the tests beside its rules, as starting would. Exit code 1 when',
    'anything is wrong with it; each problem is named with its line.',
  ],
  options: {},
  examples: [['cmcp inspection test', 'Before the file is put in force']],
  async run(positionals, given, io) {
    const list = await loaded('test', positionals, given, io);
    const { path, version, tested } = list;
    io.out(given.has('json') ? `${JSON.stringify({ path, version, rules: tested }, null, 2)}\n` : testedText(list));
    return EXIT.done;
  },
};

export const rulesAction: Action = {
  name: 'rules',
  usage: 'rules [--config FILE] [--json]',
  description: ['Lists the rules that answers are looked through with: your own, and the built-in ones.'],
  options: {},
  examples: [['cmcp inspection rules', 'The ids that `off` takes, and that entries name']],
  async run(positionals, given, io) {
    const { rules, ...list } = await loaded('rules', positionals, given, io);
    if (given.has('json')) io.out(`${JSON.stringify({ hash: list.hash, version: list.version, rules }, null, 2)}\n`);
    else io.out(`${table(COLUMNS, rules.map(cells))}\n`);
    return EXIT.done;
  },
};

export const hashAction: Action = {
  name: 'hash',
  usage: 'hash [--config FILE] [--json]',
  description: [
    'Prints the hash of everything that decides what is found and what becomes of it: the built-in rules of this version,',
    'and your file. Sessions commit to it as `rules_hash`.',
  ],
  options: {},
  examples: [['cmcp inspection hash', 'For `cmcp verify --rules-hash`']],
  async run(positionals, given, io) {
    const { hash, version } = await loaded('hash', positionals, given, io);
    io.out(given.has('json') ? `${JSON.stringify({ hash, version })}\n` : `${hash}\n`);
    return EXIT.done;
  },
};

async function loaded(name: string, positionals: string[], given: Arguments, io: Io): Promise<RuleList> {
  if (positionals.length > 0) throw new UsageError(`${name} takes no arguments besides its options`);
  const { listInspectionRules, readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
  const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  return await listInspectionRules(config);
}

function testedText({ path, version, tested }: RuleList): string {
  if (path === null) return 'No file is configured: `inspection.path` is null, and the built-in rules are in force.\n';
  const rows = tested.map(({ id, kind, tests }) => [id, kind, `${tests} texts`, 'passed']);
  const rules = rows.length === 0 ? 'It loads, and holds no rules of your own.' : table(TESTED, rows);
  return `${path}, version ${version}\n\n${rules}\n`;
}

const TESTED = ['rule', 'kind', 'tests', 'result'];
const COLUMNS = ['rule', 'kind', 'label', 'origin', 'finds'];

function cells({ id, kind, label, origin, used, what }: RuleList['rules'][number]): string[] {
  return [id, kind, label ?? '-', used ? origin : 'switched off', printable(what)];
}
