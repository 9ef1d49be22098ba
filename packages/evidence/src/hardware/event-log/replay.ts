import { hash } from '../../crypto/sha2.ts';
import { FormatError } from '../../format-error.ts';
import { type BankName, bankByName } from './algorithm.ts';
import { EV_NO_ACTION, type EventLog, isText, type LogEvent } from './parse.ts';

/** `pcr`: registers 0 to 23 of a TPM. `ccel`: registers 0 (MRTD) and 1 to 4 (RTMR 0 to 3) of a TDX guest. */
export type RegisterKind = 'pcr' | 'ccel';

const LAST_INDEX = { pcr: 23, ccel: 4 } as const;
const STARTUP_LOCALITY = 'StartupLocality\0';
/** Localities from which a TPM may be started (TPM 2.0 part 3, TPM2_Startup; part 1, H-CRTM). */
const STARTUP_LOCALITIES = [0, 3, 4];

/**
 * Computes the registers that the log leads to, by index; a register that no event extends is not in the answer. Registers start
 * with zeros, PCR 17 to 22 with 0xFF, and PCR 0 with the locality that a StartupLocality event names.
 *
 * @throws FormatError when the bank is not declared or not computable, or an event that extends a register lacks its digest
 */
export function replay(log: EventLog, bank: string, kind: RegisterKind): Map<number, Uint8Array<ArrayBuffer>> {
  const algorithm = bankByName(bank);
  if (algorithm === undefined || !log.algorithms.includes(algorithm.name)) {
    throw new FormatError(`event log: it has no ${bank} bank`);
  }
  const { name, size } = algorithm;
  const compute = hasher(name);
  const registers = new Map<number, Uint8Array<ArrayBuffer>>();
  let locality: number | null = null;
  for (const event of log.events) {
    if (event.type === EV_NO_ACTION) {
      if (kind === 'pcr' && namesLocality(event)) locality = startupLocality(event, locality, registers.has(0));
      continue;
    }
    if (event.index > LAST_INDEX[kind]) {
      throw new FormatError(`event log: an event extends register ${event.index}, which does not exist`);
    }
    const digest = event.digests.get(name);
    if (digest === undefined) throw new FormatError(`event log: an event has no ${name} digest`);
    const before = registers.get(event.index) ?? initial(event.index, size, kind, locality ?? 0);
    const joined = new Uint8Array(2 * size);
    joined.set(before);
    joined.set(digest, size);
    registers.set(event.index, compute(joined));
  }
  return registers;
}

function hasher(name: BankName): (bytes: Uint8Array) => Uint8Array<ArrayBuffer> {
  if (name === 'sm3-256') throw new FormatError('event log: SM3 is not computed');
  return (bytes) => hash(name, bytes);
}

function initial(index: number, size: number, kind: RegisterKind, locality: number): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(size);
  if (index >= 17 && index <= 22) value.fill(0xff);
  if (kind === 'pcr' && index === 0) value[size - 1] = locality;
  return value;
}

function namesLocality({ data }: LogEvent): boolean {
  return isText(data.subarray(0, STARTUP_LOCALITY.length), STARTUP_LOCALITY);
}

/** The locality that PCR 0 starts from; named once, before PCR 0 is extended. */
function startupLocality(event: LogEvent, known: number | null, extended: boolean): number {
  const locality = event.data[STARTUP_LOCALITY.length];
  if (event.index !== 0 || event.data.length !== STARTUP_LOCALITY.length + 1 || locality === undefined) {
    throw new FormatError('event log: the StartupLocality event has not its form');
  }
  if (known !== null || extended) throw new FormatError('event log: the StartupLocality event is not at its place');
  if (!STARTUP_LOCALITIES.includes(locality)) {
    throw new FormatError(`event log: a TPM is not started from locality ${locality}`);
  }
  return locality;
}
