import { type ByteReader, FormatError } from '@cmcp/evidence';
import { count, readAnswer, sized } from '../answer.ts';
import type { PcrBank, TpmCommands } from '../api.ts';
import { CC } from '../constants.ts';
import { TpmError } from '../error.ts';
import type { Sequence } from '../sequence.ts';
import { TpmWriter } from '../writer.ts';
import { BANK_BYTES, BANK_ID, readSelections, selectionOf } from './selection.ts';

type PcrCommands = Pick<TpmCommands, 'pcrRead' | 'pcrExtend' | 'pcrReset'>;
type Values = Map<number, Uint8Array<ArrayBuffer>>;

/** Digests in one answer (TPML_DIGEST). */
const MOST_DIGESTS = 8;
/** Another program may extend registers while they are read; then they are read anew. */
const MOST_READINGS = 5;

/** Platform configuration registers. Their auth value is empty. */
export function pcrCommands(sequence: Sequence): PcrCommands {
  return {
    pcrRead: (bank, indexes) => readAtOneTime(sequence, bank, indexes),
    pcrExtend: async (index, digests) => {
      const list = digestList(digests);
      await onRegister(sequence, 'PCR_Extend', CC.pcrExtend, index, list);
    },
    pcrReset: (index) => onRegister(sequence, 'PCR_Reset', CC.pcrReset, index, new Uint8Array()),
  };
}

async function onRegister(
  sequence: Sequence,
  name: string,
  code: number,
  index: number,
  parameters: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const executed = await sequence.execute({ name, code, handles: [index], authorisations: ['empty'], parameters });
  readAnswer(executed.parameters, name, () => {});
}

/** TPML_DIGEST_VALUES. @throws RangeError for a digest that is not as long as its bank's are */
function digestList(digests: Partial<Record<PcrBank, Uint8Array>>): Uint8Array<ArrayBuffer> {
  const given = (['sha256', 'sha384'] as const).flatMap((bank) => {
    const digest = digests[bank];
    if (digest === undefined) return [];
    if (digest.length !== BANK_BYTES[bank]) throw new RangeError(`a digest of ${digest.length} bytes for bank ${bank}`);
    return [new TpmWriter().u16(BANK_ID[bank]).bytes(digest).done()];
  });
  const list = new TpmWriter().u32(given.length);
  for (const digest of given) list.bytes(digest);
  return list.done();
}

/** Values that the registers had together: the TPM's counter of changes says whether it is so. */
async function readAtOneTime(sequence: Sequence, bank: PcrBank, indexes: readonly number[]): Promise<Values> {
  for (let reading = 0; reading < MOST_READINGS; reading++) {
    const values = await readOnce(sequence, bank, indexes);
    if (values !== null) return values;
  }
  throw new TpmError('response', 'The registers of the TPM change too often to be read');
}

/** null: they changed meanwhile. */
async function readOnce(sequence: Sequence, bank: PcrBank, indexes: readonly number[]): Promise<Values | null> {
  const values: Values = new Map();
  let changes: number | null = null;
  for (let wanted = [...new Set(indexes)]; wanted.length > 0; wanted = wanted.filter((index) => !values.has(index))) {
    const { parameters } = await sequence.execute({
      name: 'PCR_Read',
      code: CC.pcrRead,
      parameters: selectionOf(bank, wanted),
    });
    const some = readAnswer(parameters, 'PCR_Read', (reader) => readValues(reader, bank, wanted));
    if (changes !== null && some.changes !== changes) return null;
    changes = some.changes;
    for (const [index, value] of some.values) values.set(index, value);
  }
  return new Map([...values].sort(([a], [b]) => a - b));
}

/** Some of the values that are wanted, at least one. */
function readValues(reader: ByteReader, bank: PcrBank, wanted: readonly number[]): { changes: number; values: Values } {
  const changes = reader.u32be('update counter');
  const selections = readSelections(reader);
  const indexes = selections.flatMap((each) => (each.bank === BANK_ID[bank] ? each.indexes : []));
  const others = selections.some((each) => each.bank !== BANK_ID[bank] && each.indexes.length > 0);
  const digests = Array.from({ length: count(reader, 'digests', MOST_DIGESTS) }, () => sized(reader, 'digest'));
  if (indexes.length === 0) throw new FormatError(`the TPM keeps no such registers in bank ${bank}`);
  if (others || digests.length !== indexes.length || indexes.some((index) => !wanted.includes(index))) {
    throw new FormatError('it gives other registers than were asked for');
  }
  if (digests.some(({ length }) => length !== BANK_BYTES[bank]))
    throw new FormatError('a value is not as long as its bank');
  return { changes, values: new Map(indexes.map((index, i) => [index, digests[i] ?? new Uint8Array()])) };
}
