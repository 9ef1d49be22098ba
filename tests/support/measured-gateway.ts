import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { StartedGateway } from '@cmcp/gateway';
import type { Patience } from '../../packages/gateway/src/ingress/http.ts';
import { type Held, heldBy } from './process-view.ts';

export interface ChildOptions {
  /** Time moves only when {@link MeasuredGateway.advance} moves it; for servers it goes on. */
  manual?: boolean;
  patience?: Patience;
}

export type ToChild = { heap: true } | { advance: number } | { stop: true };
export type FromChild =
  | { started: StartedGateway }
  | { event: string; detail: string }
  | { heap: number }
  | { advanced: number }
  | { stopped: true };

/** Milliseconds between two looks at a process, and looks until it is said what it did not let go. */
const LOOK_MS = 50;
const LOOKS = 600;

/** A real gateway in a process of its own, whose sockets, processes and memory can be counted. */
export class MeasuredGateway {
  readonly #child: ChildProcess;
  readonly #started: StartedGateway;
  readonly #events: string[];

  private constructor(child: ChildProcess, started: StartedGateway, events: string[]) {
    this.#child = child;
    this.#started = started;
    this.#events = events;
  }

  static async start(configFile: string, options: ChildOptions = {}): Promise<MeasuredGateway> {
    const program = new URL('gateway-child.ts', import.meta.url);
    const child = fork(program, [configFile, JSON.stringify(options)], {
      execArgv: ['--conditions=cmcp-source', '--expose-gc', '--disable-warning=ExperimentalWarning'],
    });
    const events: string[] = [];
    child.on('message', (message: FromChild) => {
      if ('event' in message) events.push(`${message.event} ${message.detail}`);
    });
    const { started } = await heard(child, (message) => 'started' in message);
    return new MeasuredGateway(child, started, events);
  }

  get url(): URL {
    return new URL(this.#started.url ?? '');
  }

  get port(): number {
    return Number(this.url.port);
  }

  /** What it told its operators, a line each. */
  get events(): readonly string[] {
    return this.#events;
  }

  /** Resolves when it tells its operators something that begins so, or has. */
  async reported(beginning: string): Promise<void> {
    if (this.#events.some((line) => line.startsWith(beginning))) return;
    await heard(
      this.#child,
      (message): message is Extract<FromChild, { event: string }> =>
        'event' in message && `${message.event} ${message.detail}`.startsWith(beginning),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  held(): Promise<Held> {
    return heldBy(this.pid, this.port);
  }

  /** Bytes that are held after everything that can be was let go. */
  async heap(): Promise<number> {
    return (await this.#ask({ heap: true }, (message) => 'heap' in message)).heap;
  }

  async advance(ms: number): Promise<void> {
    await this.#ask({ advance: ms }, (message) => 'advanced' in message);
  }

  /** Resolves once the process holds no more of anything than `before`; fails, and says of what, when it goes on holding it. */
  async returnsTo(before: Held): Promise<void> {
    await this.until(
      (now) => (Object.keys(before) as (keyof Held)[]).every((each) => now[each] <= before[each]),
      before,
    );
  }

  /** Resolves once what it holds is as `settled` says. */
  async until(settled: (held: Held) => boolean, wanted: Partial<Held> = {}): Promise<void> {
    let now = await this.held();
    for (let look = 0; !settled(now); look += 1) {
      assert.ok(look < LOOKS, `still held: ${JSON.stringify(now)}, wanted ${JSON.stringify(wanted)}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      now = await this.held();
    }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) assert.fail('the gateway ended by itself');
    const gone = once(this.#child, 'exit');
    this.#child.send({ stop: true } satisfies ToChild);
    await gone;
  }

  #ask<T extends FromChild>(message: ToChild, is: (answer: FromChild) => answer is T): Promise<T> {
    const answered = heard(this.#child, is);
    this.#child.send(message);
    return answered;
  }
}

function heard<T extends FromChild>(child: ChildProcess, is: (message: FromChild) => message is T): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the gateway ended by itself'));
    const take = (message: FromChild): void => {
      if (!is(message)) return;
      child.off('message', take).off('exit', ended);
      resolve(message);
    };
    child.on('message', take).once('exit', ended);
  });
}
