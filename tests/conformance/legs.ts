import { fileURLToPath } from 'node:url';
import { startEverythingServer } from './everything/http.ts';
import type { Role, Subject } from './suite.ts';

/** Something that the suite is run against, as long as it stands. */
export interface Standing extends Subject {
  close(): Promise<void>;
}

/** One way to run the suite. */
export interface Leg {
  readonly name: string;
  readonly role: Role;
  /** The leg that this one has to keep up with: what passes there has to pass here. */
  readonly mirrors?: string;
  stand(): Promise<Standing>;
}

const CLIENT = fileURLToPath(new URL('everything-client.ts', import.meta.url));

/** All legs. A leg that mirrors another one comes after it. */
export const LEGS: readonly Leg[] = [
  {
    name: 'server direct',
    role: 'server',
    stand: async () => {
      const { url, close } = await startEverythingServer();
      return { args: ['--url', url], close };
    },
  },
  {
    name: 'client direct',
    role: 'client',
    stand: async () => ({ args: ['--command', clientCommand()], close: async () => undefined }),
  },
];

/** The suite splits a command at its spaces and joins it again for a shell. */
function clientCommand(): string {
  return [process.execPath, ...process.execArgv, CLIENT].map((word) => `"${word}"`).join(' ');
}
