import { type ByteReader, FormatError } from '@cmcp/evidence';
import { count, readAnswer, sized } from '../answer.ts';
import type { TpmCommands } from '../api.ts';
import { CAP, CC } from '../constants.ts';
import { TpmError } from '../error.ts';
import type { Sequence } from '../sequence.ts';
import { TpmWriter } from '../writer.ts';
import { readSelections } from './selection.ts';

type CapabilityCommands = Pick<TpmCommands, 'property' | 'handles' | 'pcrBanks' | 'random'>;

/** Handles that are asked for at once; fewer than fit in an answer (MAX_CAP_HANDLES). */
const HANDLES_AT_ONCE = 64;
/** Enough for more handles than any TPM keeps. */
const MOST_ANSWERS = 64;
/** Handles of one range differ in their lower 24 bits. */
const RANGE = 0x0100_0000;
const MOST_PROPERTIES = 256;
const PROPERTIES_AT_ONCE = 8;

/** What a TPM is, and holds. */
export function capabilityCommands(sequence: Sequence): CapabilityCommands {
  // They do not change while the TPM runs, and those that belong together have numbers in a row.
  const known = new Map<number, number>();
  return {
    property: async (property) => {
      if (!known.has(property)) {
        const asked = await capability(sequence, CAP.tpmProperties, property, PROPERTIES_AT_ONCE, readProperties);
        for (const [name, value] of asked.data) known.set(name, value);
      }
      return known.get(property) ?? null;
    },
    handles: (first) => allHandles(sequence, first),
    pcrBanks: async () => {
      const { data } = await capability(sequence, CAP.pcrs, 0, 1, readSelections);
      return data.filter(({ indexes }) => indexes.length > 0).map(({ bank }) => bank);
    },
    random: (bytes) => random(sequence, bytes),
  };
}

async function allHandles(sequence: Sequence, first: number): Promise<number[]> {
  const all: number[] = [];
  for (let next = first, answers = 0; answers < MOST_ANSWERS; answers++) {
    const { data, more } = await capability(sequence, CAP.handles, next, HANDLES_AT_ONCE, readHandles);
    all.push(...data);
    const last = data.at(-1);
    if (!more || last === undefined) return all;
    next = next - (next % RANGE) + (last % RANGE) + 1;
  }
  throw new TpmError('response', 'The TPM lists its handles without end');
}

async function random(sequence: Sequence, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; ) {
    const asked = bytes - at;
    // A TPM gives as many at once as its largest digest has.
    const { parameters } = await sequence.execute({
      name: 'GetRandom',
      code: CC.getRandom,
      parameters: new TpmWriter().u16(Math.min(asked, 64)).done(),
    });
    const some = readAnswer(parameters, 'GetRandom', (reader) => sized(reader, 'bytes'));
    if (some.length === 0 || some.length > asked)
      throw new TpmError('response', 'The TPM gives other random bytes than asked for');
    all.set(some, at);
    at += some.length;
  }
  return all;
}

async function capability<T>(
  sequence: Sequence,
  kind: number,
  first: number,
  number: number,
  read: (reader: ByteReader) => T,
): Promise<{ more: boolean; data: T }> {
  const parameters = new TpmWriter().u32(kind).u32(first).u32(number).done();
  const executed = await sequence.execute({ name: 'GetCapability', code: CC.getCapability, parameters });
  return readAnswer(executed.parameters, 'GetCapability', (reader) => {
    const more = reader.u8('more data');
    if (more > 1) throw new FormatError('"more data" is neither yes nor no');
    if (reader.u32be('capability') !== kind) throw new FormatError('it is of another capability');
    return { more: more === 1, data: read(reader) };
  });
}

function readHandles(reader: ByteReader): number[] {
  return Array.from({ length: count(reader, 'handles', HANDLES_AT_ONCE) }, () => reader.u32be('handle'));
}

function readProperties(reader: ByteReader): Map<number, number> {
  const number = count(reader, 'properties', MOST_PROPERTIES);
  return new Map(Array.from({ length: number }, () => [reader.u32be('property'), reader.u32be('value')] as const));
}
