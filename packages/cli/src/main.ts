import { readFile } from 'node:fs/promises';
import type { Action } from './action.ts';
import { suggestion, takeApart } from './arguments.ts';
import type { Command } from './command.ts';
import { approveCommand } from './commands/approve.ts';
import { attestCommand } from './commands/attest.ts';
import { catalogCommand } from './commands/catalog.ts';
import { checkCommand } from './commands/check.ts';
import { connectCommand } from './commands/connect.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { evidenceCommand } from './commands/evidence.ts';
import { helpCommand } from './commands/help.ts';
import { initCommand } from './commands/init.ts';
import { inspectionCommand } from './commands/inspection.ts';
import { killCommand } from './commands/kill.ts';
import { operatorCommand } from './commands/operator.ts';
import { policyCommand } from './commands/policy.ts';
import { quarantineCommand } from './commands/quarantine.ts';
import { sessionCommand } from './commands/session.ts';
import { startCommand } from './commands/start.ts';
import { verifyCommand } from './commands/verify.ts';
import { explain } from './failure.ts';
import { actionHelp, commandHelp, overview } from './help.ts';
import { EXIT, type Io, UsageError } from './io.ts';

const COMMANDS: readonly Command[] = [
  demoCommand,
  initCommand,
  checkCommand,
  catalogCommand,
  policyCommand,
  inspectionCommand,
  startCommand,
  connectCommand,
  sessionCommand,
  approveCommand,
  quarantineCommand,
  killCommand,
  operatorCommand,
  verifyCommand,
  evidenceCommand,
  attestCommand,
  doctorCommand,
  helpCommand,
];

/** The part of `process` that the command line needs. */
type Process = Pick<NodeJS.Process, 'argv' | 'env' | 'stdout' | 'stderr' | 'exit' | 'on'> & { exitCode?: unknown };

/** Runs `cmcp` in this process: called by bin/cmcp.js, and by nothing else. */
export async function run(own: Process): Promise<void> {
  // A reader that went away (`cmcp verify … | head`) did not get the answer, and that is all there is to say.
  own.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') own.exit(EXIT.refused);
    throw error;
  });
  // After an error that nobody expected, nothing is known of the state: the process ends, and says why without a stack.
  own.on('uncaughtException', (error) => {
    explain(error).then(({ text }) => {
      own.stderr.write(`cmcp: ${text}\n`);
      own.exit(EXIT.refused);
    });
  });
  const set = Object.entries(own.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const variables: Record<string, string> = Object.fromEntries(set);
  own.exitCode = await main(own.argv.slice(2), {
    out: (text) => void own.stdout.write(text),
    err: (text) => void own.stderr.write(text),
    variables,
    color: own.stdout.isTTY === true && !variables.NO_COLOR,
  });
}

/** Dispatches one command line. Returns the exit code; never rejects and never shows a stack. */
export async function main(argv: string[], io: Io): Promise<number> {
  const [word, ...rest] = argv;
  try {
    return await dispatch(word, rest, io);
  } catch (error) {
    const { code, text } = await explain(error);
    io.err(`cmcp: ${text}\n`);
    if (code === EXIT.usage) {
      const known = COMMANDS.find(({ name }) => name === word);
      io.err(`Try: cmcp ${known === undefined ? '--help' : `${known.name} --help`}\n`);
    }
    return code;
  }
}

async function dispatch(word: string | undefined, rest: string[], io: Io): Promise<number> {
  if (word === '--version' || word === '-v') {
    io.out(`${await version()}\n`);
    return EXIT.done;
  }
  if (word === undefined || word === '--help' || word === '-h') return showOverview(word, io);
  if (word === 'help') return helpTopic(rest, io);
  const command = COMMANDS.find(({ name }) => name === word);
  if (command === undefined) {
    throw new UsageError(
      `unknown command ${JSON.stringify(word)}${await suggestion(
        word,
        COMMANDS.map(({ name }) => name),
      )}`,
    );
  }
  return runCommand(command, rest, io);
}

async function runCommand(command: Command, argv: string[], io: Io): Promise<number> {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  if (own.includes('--help') || own.includes('-h')) {
    const action = actionNamed(command, own);
    io.out(action === undefined ? commandHelp(command) : actionHelp(command, action));
    return EXIT.done;
  }
  // An option of one name may be taken otherwise by another action: the named one's own counts.
  return command.run(await takeApart(argv, { ...command.options, ...actionNamed(command, own)?.options }), io);
}

function actionNamed({ actions }: Command, [word]: readonly string[]): Action | undefined {
  return actions?.find(({ name }) => name === word);
}

async function showOverview(word: string | undefined, io: Io): Promise<number> {
  const text = overview(COMMANDS, await version());
  if (word === undefined) io.err(text);
  else io.out(text);
  return word === undefined ? EXIT.usage : EXIT.done;
}

/** `cmcp help verify` is `cmcp verify --help`; `cmcp help config` is a topic of its own. */
async function helpTopic(rest: string[], io: Io): Promise<number> {
  const [topic] = rest;
  if (topic === undefined) return showOverview('--help', io);
  const command = COMMANDS.find(({ name }) => name === topic);
  if (command === undefined || command === helpCommand) return runCommand(helpCommand, rest, io);
  io.out(commandHelp(command));
  return EXIT.done;
}

async function version(): Promise<string> {
  const file = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return file.version;
}
