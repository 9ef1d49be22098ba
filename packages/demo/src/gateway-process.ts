import { createInterface } from 'node:readline';
import { z } from 'zod';
import { type Cmcp, type CmcpChild, exitOf, launch } from './cmcp.ts';

const STOP_GRACE_MS = 10_000;
const KEPT_MESSAGES = 20;

const Message = z.looseObject({ event: z.string() });
const Started = z.object({
  url: z.string(),
  operatorSocket: z.string(),
  mode: z.string(),
  trustLevel: z.string(),
  policyHash: z.string(),
  catalogHash: z.string(),
  keyFile: z.string(),
  sessionsFolder: z.string(),
});

/** What the gateway said when it began to serve. */
export type StartedGateway = z.infer<typeof Started>;

/** A gateway in a process of its own. */
export interface GatewayProcess {
  readonly started: StartedGateway;
  /** SIGTERM, as an operator ends it; resolves with its exit code. Kills it when it does not end. Idempotent. */
  stop(): Promise<number | null>;
}

/** Runs `cmcp start` and resolves when it serves; rejects with what it said when it ends instead. */
export async function startGateway(cmcp: Cmcp, config: string): Promise<GatewayProcess> {
  const child = launch(cmcp, ['start', '--config', config, '--json']);
  const ended = exitOf(child);
  try {
    const started = await firstOf(child, ended);
    return { started, stop: () => stop(child, ended) };
  } catch (error) {
    await stop(child, ended);
    throw error;
  }
}

/** Reads the messages to the end, so that the child never waits for a reader. */
function firstOf(child: CmcpChild, ended: Promise<number | null>): Promise<StartedGateway> {
  const said: string[] = [];
  child.stdout.resume();
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (said.length > KEPT_MESSAGES) said.shift();
      const message = Message.safeParse(parsed(line));
      if (message.data?.event !== 'started') return;
      const started = Started.safeParse(message.data);
      if (started.success) resolve(started.data);
      else reject(started.error);
    });
    const over = (how: string): void => reject(new Error(`cmcp start ${how}: ${said.join(' | ')}`));
    ended.then(
      (code) => over(`ended with ${code}`),
      (error: unknown) => over(String(error)),
    );
  });
}

/** A line that is not JSON is kept for the message above, and says nothing else. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

async function stop(child: CmcpChild, ended: Promise<number | null>): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
  try {
    return await ended;
  } finally {
    clearTimeout(impatience);
  }
}
