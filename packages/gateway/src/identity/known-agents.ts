import { readAgentsFile } from '../config/agents-file.ts';
import { checkCredentials } from '../config/credentials.ts';
import { agentsDigest } from '../config/effective.ts';
import { checkSubjects } from '../config/identity.ts';
import type { AgentCredential, Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { Timers } from '../timers.ts';

export interface KnownAgentsDeps {
  timers: Pick<Timers, 'every'>;
  report: (event: string, detail: string) => void;
}

type Settings = Pick<Config, 'agents' | 'agentsFile' | 'agentsHash' | 'identity' | 'operator'>;

const LOOK_MS = 10_000;

/**
 * The agents with bearer tokens, as they are now: those of the configuration, and those of a file of their own, which is read again when
 * it changes. A file that is no good changes nothing.
 */
export class KnownAgents {
  readonly #settings: Settings;
  readonly #deps: KnownAgentsDeps;
  readonly #stop: () => void;
  #agents: readonly AgentCredential[];
  #hash: string;
  #reading: Promise<unknown> = Promise.resolve();
  #onChange: (hash: string) => void = () => {};
  /** What was told last of a file that is no good. */
  #reported: string | null = null;

  /** @param settings as they were just read, the file among them */
  constructor(settings: Settings, deps: KnownAgentsDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#agents = settings.agents;
    this.#hash = settings.agentsHash;
    this.#stop = settings.agentsFile === null ? () => {} : deps.timers.every(LOOK_MS, () => void this.#look());
  }

  get now(): readonly AgentCredential[] {
    return this.#agents;
  }

  /** Digest over everybody who may call: what sessions commit to. */
  get hash(): string {
    return this.#hash;
  }

  /** Told in the turn of a change. */
  onChange(listener: (hash: string) => void): void {
    this.#onChange = listener;
  }

  /** Reads the file now. Rejects with CONFIG_INVALID, and keeps what is in force, when it is no good. */
  reload(): Promise<void> {
    const read = this.#reading.then(() => this.#read());
    this.#reading = Promise.allSettled([read]);
    return read;
  }

  close(): void {
    this.#stop();
  }

  async #read(): Promise<void> {
    const { agentsFile, identity, operator } = this.#settings;
    if (agentsFile === null) return;
    const agents = [...agentsFile.beside, ...(await readAgentsFile(agentsFile.path))];
    const report = (path: string, problem: string): never => {
      throw new GatewayError('CONFIG_INVALID', `with ${agentsFile.path}: ${path}: ${problem}`);
    };
    checkCredentials(agents, operator.credentials, report);
    checkSubjects(agents, identity.oauth, 'agents', report);
    const hash = agentsDigest({ agents, identity });
    if (hash === this.#hash) return;
    this.#agents = agents;
    this.#hash = hash;
    this.#deps.report('agents.changed', `who may call is now ${hash}`);
    this.#onChange(hash);
  }

  async #look(): Promise<void> {
    try {
      await this.reload();
      this.#reported = null;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      if (error.detail === this.#reported) return;
      this.#reported = error.detail;
      this.#deps.report('CONFIG_INVALID', `${error.detail}; the agents that were read before stay in force`);
    }
  }
}
