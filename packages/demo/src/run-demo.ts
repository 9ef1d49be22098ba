import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { personAt } from './approver.ts';
import { govern, type Recorded } from './chapters/govern.ts';
import { prove, verifyArguments } from './chapters/prove.ts';
import { type Approved, setUp } from './chapters/set-up.ts';
import type { Cmcp } from './cmcp.ts';
import { jsonNarrator } from './narrate-json.ts';
import { textNarrator } from './narrate-text.ts';
import { startOutbox } from './servers/outbox.ts';
import { type Ending, type Narrator, StoryDiffers, Teller } from './teller.ts';
import { DemoRefused, makeWorkspace } from './workspace.ts';

export interface DemoOptions {
  /** The `cmcp` script and the Node to run it with: the demo drives the same product that it came with. */
  cli: string;
  node: string;
  /** Environment for the product. */
  variables: Readonly<Record<string, string>>;
  /** One JSON document on `stdout` instead of the story, and nothing else. */
  json: boolean;
  /** The demo's folder; null for `./cmcp-demo`. */
  dir: string | null;
  stdout: Writable;
  color: boolean;
  /** Where a person answers what the policy asks of one; null: there is none, and the demo answers as an operator would. */
  stdin: Readable | null;
}

const GIVE_UP: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Tells the story of one agent behind a gateway, driving the real product from outside. Returns 0 only when every step
 * went as the story says, 1 when one did not, 2 when it cannot be told in the given folder. Whatever was started is gone
 * when it resolves, also after an interruption.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const narrator = options.json ? jsonNarrator(options.stdout) : textNarrator(options.stdout, options.color);
  const teller = new Teller(narrator);
  const interruption = new AbortController();
  const giveUp = (signal: NodeJS.Signals): void => interruption.abort(new Error(`interrupted by ${signal}`));
  for (const signal of GIVE_UP) process.on(signal, giveUp);
  try {
    narrator.end(teller.steps, await tell(options, teller, interruption.signal));
    return 0;
  } catch (error) {
    return explain(error, teller, narrator, interruption.signal);
  } finally {
    for (const signal of GIVE_UP) process.removeListener(signal, giveUp);
  }
}

async function tell(options: DemoOptions, teller: Teller, signal: AbortSignal): Promise<Ending> {
  const startedMs = performance.now();
  const workspace = await makeWorkspace(options.dir);
  const cmcp = productFor(options, workspace.root, signal);
  const outbox = await startOutbox();
  try {
    const approved = await setUp({ teller, cmcp, workspace, outbox });
    const person = personAt(options.stdin, options.stdout);
    const recorded = await govern({ teller, cmcp, workspace, outbox, approved, person });
    await prove({ teller, cmcp, workspace, approved }, recorded);
    return ending(approved, recorded, (performance.now() - startedMs) / 1000);
  } finally {
    await outbox.close();
  }
}

/** Settings that a person has for a gateway of their own have no part in the story. */
function productFor({ cli, node, variables }: DemoOptions, folder: string, signal: AbortSignal): Cmcp {
  const neutral = Object.entries(variables).filter(([name]) => !name.startsWith('CMCP_'));
  return { cli, node, variables: { ...Object.fromEntries(neutral), CMCP_DEV_MODE: '1' }, folder, signal };
}

function ending(approved: Approved, recorded: Recorded, seconds: number): Ending {
  const [sessionFile] = recorded.sessionFiles;
  const gateway = dirname(approved.config);
  return {
    seconds,
    files: {
      session_file: sessionFile,
      config: approved.config,
      policies: join(gateway, 'policy'),
      catalog: join(gateway, 'catalog.json'),
      key_file: recorded.keyFile,
    },
    next: [
      {
        why: 'check the record yourself, with everything that is proven, asserted and not checked',
        command: shellLine('npx', 'cmcp', ...verifyArguments([sessionFile], recorded, approved)),
      },
      {
        why: 'run the same gateway again (the outbox was a part of the demo and is gone; the other servers are real)',
        command: `CMCP_DEV_MODE=1 ${shellLine('npx', 'cmcp', 'start', '--config', approved.config)}`,
      },
      {
        why: 'put a gateway in front of the servers that your own client has',
        command: 'npx cmcp init --from ~/.cursor/mcp.json --out my-gateway',
      },
    ],
  };
}

/** For a POSIX shell: words that it would take apart are quoted. */
function shellLine(...words: string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

function explain(error: unknown, teller: Teller, narrator: Narrator, interruption: AbortSignal): number {
  if (error instanceof StoryDiffers) {
    // After an interruption, whatever failed failed because of it.
    const cause: Error = interruption.aborted ? interruption.reason : error;
    narrator.broke(teller.steps, error.step, cause.message);
    return 1;
  }
  if (error instanceof DemoRefused) {
    narrator.broke(teller.steps, null, error.message);
    return 2;
  }
  throw error;
}
