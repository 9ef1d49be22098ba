import { fileURLToPath } from 'node:url';
import type { Command } from '../command.ts';
import { LackingError } from '../io.ts';

/** A package of its own, because it brings the servers that it shows. Named indirectly: it need not be installed. */
const DEMO_PACKAGE: string = '@cmcp/demo';

interface Demo {
  /** Tells the story on `stdout` and returns the exit code. */
  runDemo(options: {
    /** The script and the Node that `cmcp` runs with, so that the demo starts the same gateway. */
    cli: string;
    node: string;
    /** Environment for what the demo runs. */
    variables: Readonly<Record<string, string>>;
    json: boolean;
    dir: string | null;
    stdout: NodeJS.WritableStream;
    /** Where a person answers; null: nobody is there. */
    stdin: NodeJS.ReadableStream | null;
    color: boolean;
  }): Promise<number>;
}

export const demoCommand: Command = {
  name: 'demo',
  usage: '[--dir DIR] [--json]',
  summary: 'see a gateway govern real servers, in under 30 seconds',
  description: [
    'Starts a gateway in front of real MCP servers and lets an agent call them: what is allowed, what is denied and why,',
    'what the record proves, and what happens to a record that was altered. Nothing is sent beyond this machine.',
    'One call waits for a person: at a terminal that is you; without one the demo answers as an operator would.',
  ],
  options: {
    dir: { value: 'DIR', help: 'Folder for the configuration and the records.' },
    json: { help: 'Print the steps for machines.' },
  },
  examples: [['cmcp demo', 'The whole story, step by step']],
  async run(given, io) {
    const demo = await loadDemo();
    return demo.runDemo({
      cli: fileURLToPath(new URL('../../bin/cmcp.js', import.meta.url)),
      node: process.execPath,
      variables: io.variables,
      json: given.has('json'),
      dir: given.one('dir'),
      stdout: process.stdout,
      stdin: process.stdin.isTTY && process.stdout.isTTY && !given.has('json') ? process.stdin : null,
      color: io.color,
    });
  },
};

function isDemo(loaded: unknown): loaded is Demo {
  return typeof loaded === 'object' && loaded !== null && 'runDemo' in loaded && typeof loaded.runDemo === 'function';
}

async function loadDemo(): Promise<Demo> {
  try {
    const loaded: unknown = await import(DEMO_PACKAGE);
    if (isDemo(loaded)) return loaded;
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    // Only the package itself: a module missing inside it is another fault.
    if (!absent || !error.message.includes(`'${DEMO_PACKAGE}'`)) throw error;
  }
  throw new LackingError(
    `the demo is a package of its own, because it brings the servers that it shows. Install it beside this command:\n  npm install ${DEMO_PACKAGE}`,
  );
}
