import { type ByteReader, equalBytes, FormatError } from '@cmcp/evidence';
import { readAnswer, sized } from '../answer.ts';
import type { LoadedKey, NvAuthority, NvPublic, SignedAttest, TpmCommands } from '../api.ts';
import { ALG, CC, RC, RH, ST } from '../constants.ts';
import { TpmError } from '../error.ts';
import { nameWith } from '../public-area.ts';
import type { Sequence } from '../sequence.ts';
import { TpmWriter } from '../writer.ts';
import { readSignedAttest } from './attest.ts';

type NvCommands = Pick<
  TpmCommands,
  'nvReadPublic' | 'nvDefine' | 'nvUndefine' | 'nvRead' | 'nvWrite' | 'nvExtend' | 'nvIncrement' | 'nvCertify'
>;

const NOTHING = new Uint8Array();
/** What each TPM takes and gives at once (TCG PC Client Platform TPM Profile, TPM_PT_NV_BUFFER_MAX). */
const CHUNK_BYTES = 512;

/** Indexes of non-volatile memory. Their auth values, and the owner's, are empty. */
export function nvCommands(sequence: Sequence): NvCommands {
  return {
    nvReadPublic: (index) => readPublicIfDefined(sequence, index),
    nvDefine: (index, attributes, bytes, policy = NOTHING) => {
      const area = new TpmWriter().u32(index).u16(ALG.sha256).u32(attributes).sized(policy).u16(bytes).done();
      return change(
        sequence,
        'NV_DefineSpace',
        CC.nvDefineSpace,
        [RH.owner],
        new TpmWriter().sized(NOTHING).sized(area).done(),
      );
    },
    nvUndefine: (index) => change(sequence, 'NV_UndefineSpace', CC.nvUndefineSpace, [RH.owner, index], NOTHING),
    nvRead: (index, by = 'index') => read(sequence, index, by),
    nvWrite: async (index, data, by = 'index') => {
      for (let at = 0; at < data.length; at += CHUNK_BYTES) {
        const parameters = new TpmWriter()
          .sized(data.subarray(at, at + CHUNK_BYTES))
          .u16(at)
          .done();
        await change(sequence, 'NV_Write', CC.nvWrite, authority(index, by), parameters);
      }
    },
    nvExtend: (index, data, by = 'index') =>
      change(sequence, 'NV_Extend', CC.nvExtend, authority(index, by), new TpmWriter().sized(data).done()),
    nvIncrement: (index, by = 'index') =>
      change(sequence, 'NV_Increment', CC.nvIncrement, authority(index, by), NOTHING),
    nvCertify: (key, index, qualifyingData, bytes, by = 'index') =>
      certify(
        sequence,
        key,
        authority(index, by),
        new TpmWriter().sized(qualifyingData).u16(ALG.null).u16(bytes).u16(0).done(),
      ),
  };
}

/** The handles of most commands: what authorises, and the index. */
function authority(index: number, by: NvAuthority): [number, number] {
  return [by === 'index' ? index : RH.owner, index];
}

/** A command that gives nothing back. */
async function change(
  sequence: Sequence,
  name: string,
  code: number,
  handles: readonly number[],
  parameters: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const executed = await sequence.execute({ name, code, handles, authorisations: ['empty'], parameters });
  readAnswer(executed.parameters, name, () => {});
}

async function readPublicIfDefined(sequence: Sequence, index: number): Promise<NvPublic | null> {
  try {
    return await readPublic(sequence, index);
  } catch (error) {
    if (error instanceof TpmError && error.refusedWith(RC.handle)) return null;
    throw error;
  }
}

async function readPublic(sequence: Sequence, index: number): Promise<NvPublic> {
  const { parameters } = await sequence.execute({ name: 'NV_ReadPublic', code: CC.nvReadPublic, handles: [index] });
  return readAnswer(parameters, 'NV_ReadPublic', (reader) => {
    const area = sized(reader, 'public area');
    const name = sized(reader, 'name');
    const given = readAnswer(area, 'TPMS_NV_PUBLIC', readNvPublic);
    if (given.index !== index) throw new FormatError('it is of another index');
    if (!equalBytes(name, nameWith(given.nameAlgorithm, area)))
      throw new FormatError('the name is not that of the public area');
    return { ...given, name };
  });
}

function readNvPublic(reader: ByteReader): Omit<NvPublic, 'name'> {
  return {
    index: reader.u32be('index'),
    nameAlgorithm: reader.u16be('name algorithm'),
    attributes: reader.u32be('attributes'),
    policy: sized(reader, 'policy'),
    size: reader.u16be('size'),
  };
}

async function read(sequence: Sequence, index: number, by: NvAuthority): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = await readPublic(sequence, index);
  const all = new Uint8Array(size);
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, size - at);
    const { parameters } = await sequence.execute({
      name: 'NV_Read',
      code: CC.nvRead,
      handles: authority(index, by),
      authorisations: ['empty'],
      parameters: new TpmWriter().u16(length).u16(at).done(),
    });
    const some = readAnswer(parameters, 'NV_Read', (reader) => sized(reader, 'data'));
    if (some.length !== length)
      throw new TpmError('response', `The TPM gave ${some.length} bytes of an index where ${length} are`);
    all.set(some, at);
  }
  return all;
}

async function certify(
  sequence: Sequence,
  key: LoadedKey,
  handles: [number, number],
  parameters: Uint8Array<ArrayBuffer>,
): Promise<SignedAttest> {
  const executed = await sequence.execute({
    name: 'NV_Certify',
    code: CC.nvCertify,
    handles: [key, ...handles],
    authorisations: ['empty', 'empty'],
    parameters,
  });
  return readAnswer(executed.parameters, 'NV_Certify', (reader) => readSignedAttest(reader, ST.attestNv));
}
