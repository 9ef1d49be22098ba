import { sep } from 'node:path';
import type { Writable } from 'node:stream';
import { styleText } from 'node:util';
import type { Chapter, Facts, Narrator, ToldStep } from './teller.ts';

const COLUMNS = 98;
const INDENT = '    ';
/** Widths of the labels of a step, and of the table at the end. */
const STEP_LABEL = 10;
const FILE_LABEL = 14;

const CHAPTERS: Record<Chapter, string> = {
  'set-up': 'Setting up: four MCP servers that a client already had, and a gateway in front of them',
  govern: 'At work: an agent calls, the gateway decides and records',
  prove: 'Afterwards: anybody checks the record, offline, without trusting who kept it',
};

const INTRODUCTION = `An AI agent, four real MCP servers, and one gateway between them. This program plays the people
around the gateway; every decision is made by the gateway itself, and the policy named with it
is the one in its record. All customers are invented. Nothing leaves this machine.`;

type Style = Parameters<typeof styleText>[0];

/** Tells the story to a person at a terminal at least 100 columns wide. */
export function textNarrator(stdout: Writable, color: boolean): Narrator {
  const paint = (style: Style, text: string): string =>
    color ? styleText(style, text, { validateStream: false }) : text;
  const line = (text = ''): void => void stdout.write(`${text}\n`);
  const row = (label: string, width: number, text: string, emphasis?: { word: string; style: Style }): void => {
    const [first = '', ...rest] = wrap(text, COLUMNS - INDENT.length - width);
    const shown = emphasis === undefined ? first : first.replace(emphasis.word, paint(emphasis.style, emphasis.word));
    line(`${INDENT}${paint('dim', label.padEnd(width))}${shown}`);
    for (const more of rest) line(`${INDENT}${' '.repeat(width)}${more}`);
  };
  const heading = (text: string): void => line(`\n${paint(['bold', 'underline'], text)}`);
  let chapter: Chapter | null = null;
  return {
    begin(number, plan) {
      if (chapter === null) line(`${paint('bold', 'cmcp demo')}\n\n${INTRODUCTION}`);
      if (chapter !== plan.chapter) heading(CHAPTERS[plan.chapter]);
      chapter = plan.chapter;
      line(`\n${paint('bold', `${String(number).padStart(2)}  ${plan.title}`)}`);
      row('asked', STEP_LABEL, plan.asked);
    },
    told(step) {
      const word = verdictOf(step);
      const by = step.by.length === 0 ? '' : ` by ${step.by_kind} ${step.by.join(', ')}`;
      row('decided', STEP_LABEL, `${word}${by}`, { word, style: ['bold', colorOf(step)] });
      row('why', STEP_LABEL, step.why);
      const moved = exposureOf(step.facts);
      if (moved !== null) row('exposure', STEP_LABEL, moved);
    },
    end(_steps, ending) {
      heading('What is left');
      line();
      for (const [name, path] of Object.entries(ending.files)) row(name.replace('_', ' '), FILE_LABEL, shorter(path));
      heading('What to try next');
      for (const { why, command } of ending.next) {
        line(`\n${INDENT}${paint('dim', `# ${why}`)}\n${INDENT}${shorter(command)}`);
      }
      line(`\nEvery step went as told, in ${ending.seconds.toFixed(1)} s.`);
    },
    broke(_steps, step, problem) {
      const where =
        step === null ? 'The demo cannot run' : `Step ${step.number} (${step.id}) did not go as the story says`;
      line(`\n${paint(['bold', 'red'], where)}: ${problem}`);
    },
  };
}

/** UX-09: what was relaxed never has the words or the colour of what was not. */
function verdictOf({ decided, facts: { relaxations } }: ToldStep): string {
  const word = decided.toUpperCase();
  return decided === 'verified' && isRelaxed(relaxations) ? `${word} WITH ${relaxations.join(' ')}` : word;
}

function colorOf({ decided, facts }: ToldStep): 'green' | 'yellow' | 'red' {
  if (decided === 'refused' || decided === 'not verified') return 'red';
  return isRelaxed(facts.relaxations) ? 'yellow' : 'green';
}

function isRelaxed(relaxations: Facts[string] | undefined): relaxations is string[] {
  return Array.isArray(relaxations) && relaxations.length > 0;
}

/** Only where it moved: most calls show nothing that the agent had not seen before. */
function exposureOf({ exposure_before: before, exposure_after: after }: Facts): string | null {
  return before === undefined || before === after ? null : `${before} -> ${after}`;
}

/** Paths below this folder, without its name. */
function shorter(text: string): string {
  return text.replaceAll(process.cwd() + sep, '');
}

/** Lines of at most `width` characters, broken at spaces; a longer word keeps its own line. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
