/**
 * A gateway in a process of its own whose memory and time are its parent's to look at and to move:
 *
 *     node --expose-gc gateway-child.ts <cmcp.yaml> [<options as JSON>]
 *
 * Messages from the parent: {heap: true}, {advance: ms}, {stop: true}. To it: {started}, {event, detail}, {heap}, {advanced}, {stopped}.
 */
import { Gateway, loadConfig, readEnvironment } from '@cmcp/gateway';
import { ManualTime } from './manual-time.ts';
import type { ChildOptions, FromChild, ToChild } from './measured-gateway.ts';
import { timed } from './timed-gateway.ts';

const [, , file = '', given = '{}'] = process.argv;
const options = JSON.parse(given) as ChildOptions;
const time = options.manual === true ? new ManualTime() : null;
const environment = readEnvironment({ CMCP_DEV_MODE: '1', PATH: process.env.PATH });
const tell = (message: FromChild): void => void process.send?.(message);
const gateway = new Gateway(await loadConfig(file, environment), {
  environment,
  report: (event, detail) => tell({ event, detail }),
  ...(time !== null && { ...timed(time), timers: time }),
  ...(options.patience && { patience: options.patience }),
});

/** Twice, for what only a first collection lets go; and a turn in between, for what then runs. */
async function heldBytes(): Promise<number> {
  for (let round = 0; round < 2; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function obey(message: ToChild): Promise<void> {
  if ('heap' in message) tell({ heap: await heldBytes() });
  else if ('advance' in message) {
    time?.advance(message.advance);
    tell({ advanced: message.advance });
  } else {
    // Who ends waits for others, but not for ever.
    const passing = setInterval(() => time?.advance(1_000), 10);
    await gateway.stop();
    clearInterval(passing);
    tell({ stopped: true });
    process.disconnect();
  }
}

process.on('message', (message: ToChild) => void obey(message));
process.once('disconnect', () => void gateway.stop());
tell({ started: await gateway.start() });
