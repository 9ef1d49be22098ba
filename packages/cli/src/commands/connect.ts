import { randomBytes } from 'node:crypto';
import { printable } from '@cmcp/evidence';
import type { Command } from '../command.ts';
import { CONNECT_OPTIONS, readConnectOptions } from '../connect/options.ts';
import { EXIT, type Io, RefusedError } from '../io.ts';

export const connectCommand: Command = {
  name: 'connect',
  usage: 'URL --expect FILE [--token-env NAME | --token-file FILE] [--ca FILE]',
  summary: 'connect an MCP client to a gateway that is checked before anything is said to it',
  description: [
    'Speaks MCP on standard input and output, for any client that can run a command, and passes it on to a gateway over TLS.',
    'Before the first byte of the client, and before any credential, it asks the gateway for evidence under a fresh nonce,',
    'holds it against your file of expectations, and sees that the TLS key of the connection is the attested one. It checks',
    'again on every reconnect, when the TLS key changes, and before the evidence is out of date. When a check is refused,',
    'nothing more is passed on and the command ends.',
    '',
    'The values to expect come from the operator of the gateway, and from `cmcp attest measure` on a package that you got',
    'yourself. Nothing is trusted on first use. See docs/connect.md.',
  ],
  options: { ...CONNECT_OPTIONS, json: { help: 'Write what it says about itself on standard error as JSON lines.' } },
  examples: [
    [
      'cmcp connect https://gateway.example/mcp --expect gateway.json --token-env CMCP_TOKEN',
      'What an MCP client runs instead of a server',
    ],
  ],
  async run(given, io) {
    const options = await readConnectOptions(given, io);
    const { GatewayError, systemClock, systemTimers } = await import('@cmcp/gateway/client');
    const { runConnect } = await import('../connect/run.ts');
    const say = given.has('json') ? jsonLines(io) : lines(io);
    if (options.url.protocol === 'http:') {
      say('warning', 'NO TLS: whoever is on this machine can read and change everything, the credential included.');
    }
    try {
      return await runConnect(options, {
        input: process.stdin,
        output: process.stdout,
        clock: systemClock,
        timers: systemTimers,
        randomBytes,
        signal: endSignal(),
        say,
      });
    } catch (error) {
      if (error instanceof GatewayError) throw new RefusedError(error.detail);
      throw error;
    }
  },
};

type Say = (event: string, detail: string, more?: object) => void;

/** Everything goes to standard error: standard output is the client's. */
function lines(io: Io): Say {
  return (event, detail) => {
    const text = detail.split('\n').map(printable).join('\n  ');
    io.err(`cmcp connect: ${event}: ${text}\n`);
  };
}

function jsonLines(io: Io): Say {
  return (event, detail, more = {}) =>
    io.err(`${JSON.stringify({ time: new Date().toISOString(), event, detail, ...more })}\n`);
}

/** Aborts on the first signal that asks for an end; a second one ends at once. */
function endSignal(): AbortSignal {
  const end = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (end.signal.aborted) process.exit(EXIT.refused);
      end.abort();
    });
  }
  return end.signal;
}
