import { fileURLToPath } from 'node:url';
import { type EverythingServer, startEverythingServer } from './everything/http.ts';
import type { NamedServer } from './gateway/approve.ts';
import { openDesk } from './gateway/desk.ts';
import { startRelay } from './gateway/relay.ts';
import { startGateway } from './gateway/start.ts';
import type { Revision } from './results.ts';
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
  /** Both by default. */
  readonly revisions?: readonly Revision[];
  stand(): Promise<Standing>;
}

const CLIENT = fileURLToPath(new URL('everything-client.ts', import.meta.url));
const SERVER = fileURLToPath(new URL('everything-server.ts', import.meta.url));
/** What results carry and the everything-server never lists: two resources of its own, and one that the suite names. */
const CARRIED = 'test://{name}-resource';

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
    name: 'server gateway',
    role: 'server',
    mirrors: 'server direct',
    stand: () => behindGateway(startEverythingServer()),
  },
  {
    name: 'server gateway handshake',
    role: 'server',
    mirrors: 'server direct',
    // What 2026-07-28 added, such a server does not have, and a gateway cannot give it.
    revisions: ['2025-11-25'],
    stand: () => behindGateway(startEverythingServer({ family: 'handshake' })),
  },
  {
    name: 'server gateway stdio',
    role: 'server',
    mirrors: 'server direct',
    stand: () => gatewayFor({ command: process.execPath, args: [SERVER, '--stdio'] }),
  },
  {
    name: 'client direct',
    role: 'client',
    stand: async () => ({ args: ['--command', clientCommand()], close: async () => undefined }),
  },
  {
    name: 'client gateway',
    role: 'client',
    stand: async () => {
      const desk = await openDesk();
      return { args: ['--command', clientCommand()], env: { CMCP_CONFORMANCE_VIA: desk.url }, close: desk.close };
    },
  },
];

async function behindGateway(starting: Promise<EverythingServer>): Promise<Standing> {
  const server = await starting;
  const gateway = await gatewayFor(server);
  return {
    ...gateway,
    close: async () => {
      await gateway.close();
      await server.close();
    },
  };
}

/** A gateway in front of an everything-server, behind a relay: the suite has no credential to send. */
async function gatewayFor(server: NamedServer): Promise<Standing> {
  const relay = await startRelay();
  const gateway = await startGateway(server, { carried: CARRIED, origins: [relay.origin] });
  relay.lead(gateway.url, gateway.token);
  return {
    args: ['--url', `${relay.origin}/mcp`],
    close: async () => {
      await relay.close();
      await gateway.close();
    },
  };
}

/** The suite splits a command at its spaces and joins it again for a shell. */
function clientCommand(): string {
  return [process.execPath, ...process.execArgv, CLIENT].map((word) => `"${word}"`).join(' ');
}
