import { printable } from '@cmcp/evidence';
import type { Gateway, StartedGateway } from '@cmcp/gateway';
import { CONFIG_OPTION, type Command, DEFAULT_CONFIG } from '../command.ts';
import { explain } from '../failure.ts';
import { EXIT, type Io, RefusedError } from '../io.ts';
import { modeText } from '../mode-text.ts';
import { columns } from '../table.ts';

export const startCommand: Command = {
  name: 'start',
  usage: '[--config FILE] [--stdio] [--json]',
  summary: 'run the gateway',
  description: [
    'Serves MCP at POST /mcp of the configured address, or with --stdio to the one client that spawned it. Messages go to',
    'standard error. SIGTERM and SIGINT close every session with a signed claim and then end; a second one ends at once.',
    'SIGHUP reads policy and catalog again and activates them if they load and are the pinned ones.',
  ],
  options: {
    config: CONFIG_OPTION,
    stdio: { help: 'Serve one client over standard input and output.' },
    json: { help: 'Print messages as JSON, one a line.' },
  },
  examples: [
    ['CMCP_DEV_MODE=1 cmcp start --config cmcp/cmcp.yaml', 'Try it out: software keys, on this machine only'],
    ['cmcp start --stdio --config /abs/cmcp/cmcp.yaml', 'What a desktop client spawns'],
  ],
  async run(given, io) {
    const { Gateway, loadConfig, namesCallers, readEnvironment } = await import('@cmcp/gateway');
    const environment = readEnvironment(io.variables);
    const config = await loadConfig(given.one('config') ?? DEFAULT_CONFIG, environment);
    const stdio = given.has('stdio');
    if (!stdio && !namesCallers(config)) {
      throw new RefusedError(
        `${config.file} has no \`agents\` and nobody under \`identity\`, so nobody could call over HTTP. Add one, or use --stdio.`,
      );
    }
    const log = messages(io, given.has('json'));
    const gateway = new Gateway(config, { environment, report: log.event });
    const end = endOnSignals(gateway, stdio, log);
    const announce = (started: StartedGateway): void => log.started(started, config.dev);
    if (stdio) {
      await Promise.race([gateway.serveStdio(process.stdin, process.stdout, announce), end]);
      // An open standard input would keep the process alive after a signal.
      process.stdin.destroy();
    } else {
      announce(await gateway.start());
      await end;
    }
    await gateway.stop();
    log.event('stopped', 'every session is closed and signed');
    return EXIT.done;
  },
};

interface Messages {
  event(name: string, detail: string): void;
  started(started: StartedGateway, dev: boolean): void;
}

/** Everything goes to standard error: over stdio, standard output is the client's. */
function messages(io: Io, json: boolean): Messages {
  const now = (): string => new Date().toISOString();
  if (json) {
    const line = (members: object): void => io.err(`${JSON.stringify({ time: now(), ...members })}\n`);
    return {
      event: (event, detail) => line({ event, detail }),
      started: (started, dev) => line({ event: 'started', dev, ...started }),
    };
  }
  return {
    event: (name, detail) => io.err(`${now()} ${printable(name)}: ${printable(detail)}\n`),
    started: (started, dev) => io.err(banner(started, dev)),
  };
}

/** What a trust level means, in one line: nothing looks better than it is (UX-09). */
const TRUST: Readonly<Record<string, string>> = {
  hardware: 'hardware: the evidence chains to a maker’s root',
  'operator-root': 'operator-root: the evidence chains to a root of your own, which verifiers must be given',
  'software-tpm': 'software-tpm: a program plays the TPM, so nothing vouches for this machine',
  unverified: 'unverified: the evidence ends in no known root, so nobody can accept it',
  software: 'software: a key in memory, and nothing vouches for this machine',
};

function banner(started: StartedGateway, dev: boolean): string {
  const rows = [
    ['  agents', started.url ?? 'the client on standard input'],
    ['  operators', operatorsText(started)],
    ['  mode', modeText(started.mode)],
    ['  policy', started.policyHash],
    ['  catalog', started.catalogHash],
    ['  platform', started.platform],
    ['  trust level', TRUST[started.trustLevel] ?? started.trustLevel],
    ['  claim key', started.keyFile],
    ['  sessions', started.sessionsFolder],
  ];
  const meaning =
    started.trustLevel === 'software'
      ? 'the claim key is a software key. Its claims prove nothing about this machine.'
      : 'pins are optional, and evidence that nobody can accept is used. For trying out, not for data that matters.';
  const warning = dev ? `\n*** DEV MODE: ${meaning} ***\n` : '';
  return `cmcp is serving\n${columns(rows)}\n${warning}`;
}

function operatorsText({ operatorSocket, operatorUrl }: StartedGateway): string {
  if (operatorSocket === null) return 'no operator interface over stdio';
  return operatorUrl === null ? operatorSocket : `${operatorSocket} and ${operatorUrl}`;
}

/** Resolves when the gateway has stopped because a signal asked for it. */
function endOnSignals(gateway: Gateway, stdio: boolean, log: Messages): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false;
    const stop = (signal: string): void => {
      if (asked) process.exit(EXIT.refused);
      asked = true;
      log.event('stopping', `${signal}; a second signal ends at once, without closing sessions`);
      gateway.stop().then(resolve, reject);
    };
    process.on('SIGTERM', () => stop('SIGTERM'));
    process.on('SIGINT', () => stop('SIGINT'));
    // A client's terminal that closes is the end of a gateway that it spawned.
    process.on('SIGHUP', () => (stdio ? stop('SIGHUP') : void reload(gateway, log)));
  });
}

async function reload(gateway: Gateway, log: Messages): Promise<void> {
  try {
    const { activated, bundle_hash, version } = await gateway.reload();
    const what = `version ${version} (${bundle_hash})`;
    if (activated) log.event('reloaded', `policy and catalog as they are on disk are active: ${what}`);
    else log.event('reload unchanged', `${what} and the catalog are active already`);
  } catch (error) {
    const { text } = await explain(error);
    log.event('reload refused', `${text}; what was active stays active`);
  }
}
