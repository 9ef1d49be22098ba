import { readFile } from 'node:fs/promises';
import type { Tried, TriedFinding } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import { visible } from '../catalog/visible.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, RefusedError, UsageError } from '../io.ts';
import { table } from '../table.ts';

export const tryAction: Action = {
  name: 'try',
  usage: 'try FILE [--tool NAME] [--config FILE] [--json]',
  description: [
    'Looks through a text, or an answer in JSON, as the gateway would, and prints what it finds and what it would pass on.',
    'FILE may be -, which is standard input. Exit code 1 when the answer would be withheld.',
    'The values that were found are printed: keep the output as you keep the input.',
  ],
  options: {
    tool: { value: 'NAME', help: 'Catalog name of what gives the answer (default: the settings of no tool).' },
  },
  examples: [['cmcp inspection try answer.json --tool read_ticket', 'By the settings of that tool']],
  async run([file, ...others], given, io) {
    if (file === undefined || others.length > 0) throw new UsageError('say which file: cmcp inspection try FILE');
    const { readConfigWithoutSecrets, readEnvironment, reportJson, tryInspection } = await import('@cmcp/gateway');
    const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
    const tried = await tryInspection(config, await textOf(file), given.one('tool'), {
      nowMs: () => performance.now(),
      turn: () => new Promise((resolve) => setImmediate(resolve)),
    });
    io.out(given.has('json') ? reportJson(tried) : triedText(tried, reportJson));
    return tried.released === null ? EXIT.refused : EXIT.done;
  },
};

async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file === '-' ? '/dev/stdin' : file).catch((error: NodeJS.ErrnoException) => {
    throw new RefusedError(`${file} cannot be read (${error.code})`);
  });
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new RefusedError(`${file} is not valid UTF-8 text`);
    throw error;
  }
}

const COLUMNS = ['rule', 'kind', 'outcome', 'label', 'behind', 'where', 'text'];

function triedText({ outcome, findings, bodiesNotScanned, released }: Tried, json: (value: object) => string): string {
  const found = findings.length === 0 ? 'Nothing is found.' : table(COLUMNS, findings.map(cells));
  const unseen =
    bodiesNotScanned === 0 ? [] : [`Bodies that hold no text, and were not looked into: ${bodiesNotScanned}`];
  const passed =
    released === null
      ? `Withheld: the gravest outcome is ${outcome}.`
      : `Passed on:\n${typeof released === 'object' && released !== null ? json(released).trimEnd() : String(released)}`;
  return `${[found, ...unseen, passed].join('\n\n').split('\n').map(visible).join('\n')}\n`;
}

function cells({ rule, kind, outcome, label, via, path, text }: TriedFinding): string[] {
  return [rule, kind, outcome, label ?? '-', via.join(', ') || '-', path.join('.') || '-', visible(text)];
}
