import { type EventLog, equalBytes, FormatError, parseEventLog, replayEventLog } from '@cmcp/evidence';
import { type PlatformFiles, readOptional } from '../certificate-folder.ts';

/** Logs of firmware have some tens of kilobytes. Each session file carries the log twice, so a larger one is left out. */
const MOST_BYTES = 262_144;
const BANK = 'sha256';

/**
 * The firmware's account of how registers came to hold what they hold. It is not signed, and other programs extend registers without
 * writing to it: whoever verifies refuses a log that contradicts a quote, so what is handed out is the part that does not.
 */
export class FirmwareLog {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #log: EventLog;
  readonly #replayed: ReadonlyMap<number, Uint8Array<ArrayBuffer>>;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#log = parseEventLog(bytes);
    this.#replayed = replayEventLog(this.#log, BANK, 'pcr');
  }

  /** null: there is none that can be read (on Azure the file is empty); `report` hears why. */
  static async open(path: string, files: PlatformFiles, report: (detail: string) => void): Promise<FirmwareLog | null> {
    const { bytes, problem } = await readOptional(path, MOST_BYTES, files);
    if (bytes === null) {
      report(`evidence carries no event log: ${problem}`);
      return null;
    }
    try {
      return new FirmwareLog(bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      report(`evidence carries no event log: ${path}: ${error.message}`);
      return null;
    }
  }

  /**
   * The log without the events of registers to which it does not lead.
   *
   * @param values registers of the SHA-256 bank as they were quoted
   * @returns null when it leads to none of them
   */
  explaining(values: ReadonlyMap<number, Uint8Array>): Uint8Array<ArrayBuffer> | null {
    const explained = new Set<number>();
    for (const [index, value] of this.#replayed) {
      const quoted = values.get(index);
      if (quoted !== undefined && equalBytes(quoted, value)) explained.add(index);
    }
    if (explained.size === 0) return null;
    if (explained.size === this.#replayed.size) return this.#bytes;
    const events = this.#log.events.filter(({ index }) => explained.has(index));
    return new Uint8Array(Buffer.concat([this.#log.head, ...events.map((event) => event.bytes)]));
  }
}
