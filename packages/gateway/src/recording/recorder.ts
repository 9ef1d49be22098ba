import { join } from 'node:path';
import type { JsonObject } from '@cmcp/evidence';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { createRecordFile, type RecordFile } from './file.ts';
import { endText, type RecordedDecision, recordText } from './record.ts';
import { RecordSealer, UnusableKey } from './sealing.ts';

/** Text that may wait to be written. What comes on top of it is lost, and that is said. */
const MAX_WAITING = 16 * 1024 * 1024;

export interface RecorderDeps {
  /** Names the file; the id of the gateway's own chain. */
  run: string;
  createFile?: (path: string) => Promise<RecordFile>;
  report: (event: string, detail: string) => void;
  /** Enters an event in the gateway chain. */
  enter: (action: string, detail: JsonObject) => Promise<void>;
}

/**
 * Writes decisions to a file that only the holder of the operator's private key can read. It never delays a call nor fails one: the
 * evidence is the audit chain, and this is a copy for trying policies on. What is lost is reported, and entered in the chain once.
 */
export class DecisionRecorder {
  readonly #file: RecordFile;
  readonly #sealer: RecordSealer;
  readonly #name: string;
  readonly #deps: RecorderDeps;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing: Promise<void> | null = null;
  #unwritable = false;
  #saidLost = false;
  #given = 0;
  #lost = 0;

  private constructor(file: RecordFile, sealer: RecordSealer, name: string, deps: RecorderDeps) {
    this.#file = file;
    this.#sealer = sealer;
    this.#name = name;
    this.#deps = deps;
  }

  /** @throws GatewayError CONFIG_INVALID when the key is no key, or the file cannot be made: what is configured begins, or nothing does */
  static async open(
    { folder, key }: NonNullable<Config['recordDecisions']>,
    deps: RecorderDeps,
  ): Promise<DecisionRecorder> {
    const name = `${deps.run}.decisions`;
    const sealer = sealerTo(key);
    try {
      const file = await (deps.createFile ?? createRecordFile)(join(folder, name));
      await file.append(`${sealer.header}\n`);
      return new DecisionRecorder(file, sealer, name, deps);
    } catch (error) {
      throw new GatewayError('CONFIG_INVALID', `record.decisions.to: ${folder} cannot be written (${codeOf(error)})`, {
        cause: error,
      });
    }
  }

  /** Queues a decision. Returns at once. */
  take(record: RecordedDecision): void {
    this.#given += 1;
    const text = recordText(record);
    if (this.#unwritable || this.#waitingLength + text.length > MAX_WAITING) {
      this.#sealer.skip();
      this.#lost += 1;
      if (!this.#unwritable) this.#sayLost('decisions come faster than they can be written');
      return;
    }
    this.#queue(this.#sealer.seal(text));
  }

  /** Writes what waits, and the end. */
  async close(): Promise<void> {
    if (!this.#unwritable) this.#queue(this.#sealer.seal(endText(this.#given)));
    await this.#writing;
    await this.#file.close().catch((error: unknown) => this.#failed(error));
    await this.#enter('decisions.recorded', { file: this.#name, decisions: this.#given, lost: this.#lost });
  }

  #queue(line: string): void {
    this.#waiting.push(`${line}\n`);
    this.#waitingLength += line.length + 1;
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        await this.#file.append(lines.join(''));
      } catch (error) {
        this.#lost += lines.length + this.#waiting.length;
        this.#waiting = [];
        this.#failed(error);
      }
      this.#waitingLength = this.#waiting.reduce((sum, line) => sum + line.length, 0);
    }
    this.#writing = null;
  }

  #failed(error: unknown): void {
    this.#unwritable = true;
    this.#sayLost(`${this.#name} cannot be written (${codeOf(error)})`);
  }

  #sayLost(why: string): void {
    if (this.#saidLost) return;
    this.#saidLost = true;
    this.#deps.report('decisions.not_recorded', why);
    void this.#enter('decisions.not_recorded', { file: this.#name, why });
  }

  async #enter(action: string, detail: JsonObject): Promise<void> {
    await this.#deps
      .enter(action, detail)
      .catch((error: unknown) => this.#deps.report('AUDIT_UNAVAILABLE', String(error)));
  }
}

function sealerTo(key: string): RecordSealer {
  try {
    return new RecordSealer(key);
  } catch (error) {
    if (!(error instanceof UnusableKey)) throw error;
    throw new GatewayError('CONFIG_INVALID', `record.decisions.key: ${error.message}; make one: cmcp policy keygen`);
  }
}

/** Whatever it was, the recording is over; no call depends on it. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
