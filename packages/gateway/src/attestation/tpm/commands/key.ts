import { type ByteReader, equalBytes, FormatError } from '@cmcp/evidence';
import { readAnswer, sized } from '../answer.ts';
import type { Hierarchy, KeyBlob, LoadedKey, TpmCommands } from '../api.ts';
import { ALG, CC, RH, ST } from '../constants.ts';
import { nameOf } from '../public-area.ts';
import type { Sequence } from '../sequence.ts';
import { TpmWriter } from '../writer.ts';
import { readSignedAttest } from './attest.ts';
import { selectionOf } from './selection.ts';

type KeyCommands = Pick<
  TpmCommands,
  | 'createPrimary'
  | 'create'
  | 'load'
  | 'readPublic'
  | 'flush'
  | 'contextSave'
  | 'contextLoad'
  | 'quote'
  | 'unseal'
  | 'activateCredential'
>;

const NOTHING = new Uint8Array();
/** TPM_RH of a hierarchy. */
export const HIERARCHY: Readonly<Record<Hierarchy, number>> = {
  owner: RH.owner,
  endorsement: RH.endorsement,
  null: RH.null,
};

/** Objects: keys and sealed data. Their auth values are empty. */
export function keyCommands(sequence: Sequence): KeyCommands {
  return {
    createPrimary: (hierarchy, template) => createPrimary(sequence, hierarchy, template),
    create: (parent, template, data = NOTHING, encrypt) => create(sequence, { parent, template, data, encrypt }),
    load: (parent, blob) => load(sequence, parent, blob),
    readPublic: (handle) => readPublic(sequence, handle),
    flush: (handle) => sequence.flush(handle),
    contextSave: (key) => contextSave(sequence, key),
    contextLoad: (context) => contextLoad(sequence, context),
    quote: (key, qualifyingData, bank, indexes) => quote(sequence, key, qualifyingData, selectionOf(bank, indexes)),
    unseal: (item, policy, encrypt) => unseal(sequence, item, policy, encrypt),
    activateCredential: (...given) => activateCredential(sequence, ...given),
  };
}

async function createPrimary(sequence: Sequence, hierarchy: Hierarchy, template: Uint8Array): Promise<LoadedKey> {
  const { handle, parameters } = await sequence.execute({
    name: 'CreatePrimary',
    code: CC.createPrimary,
    handles: [HIERARCHY[hierarchy]],
    authorisations: ['empty'],
    parameters: creation(template, NOTHING),
    opens: true,
  });
  return readAnswer(parameters, 'CreatePrimary', (reader) => {
    const publicArea = sized(reader, 'public area');
    skipCreationData(reader);
    return { handle, publicArea, name: namedAs(reader, publicArea) };
  });
}

interface Creation {
  parent: LoadedKey;
  template: Uint8Array;
  data: Uint8Array;
  encrypt: Parameters<TpmCommands['create']>[3];
}

async function create(sequence: Sequence, { parent, template, data, encrypt }: Creation): Promise<KeyBlob> {
  const { parameters } = await sequence.execute({
    name: 'Create',
    code: CC.create,
    handles: [parent],
    authorisations: ['empty'],
    encryption: encrypt && { session: encrypt, command: true, answer: true },
    parameters: creation(template, data),
  });
  return readAnswer(parameters, 'Create', (reader) => {
    const blob = { private: sized(reader, 'private area'), public: sized(reader, 'public area') };
    skipCreationData(reader);
    return blob;
  });
}

/** TPM2B_SENSITIVE_CREATE, TPM2B_PUBLIC, no outside information, no PCRs at creation. */
function creation(template: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const sensitive = new TpmWriter().sized(NOTHING).sized(data).done();
  return new TpmWriter().sized(sensitive).sized(template).sized(NOTHING).u32(0).done();
}

/** TPM2B_CREATION_DATA, its hash, and TPMT_TK_CREATION: nothing here certifies a creation. */
function skipCreationData(reader: ByteReader): void {
  sized(reader, 'creation data');
  sized(reader, 'creation hash');
  reader.u16be('tag of the ticket');
  reader.u32be('hierarchy of the ticket');
  sized(reader, 'ticket');
}

/** A Name that is that of `publicArea`: what is sealed or certified for a name is for this public area. @throws FormatError */
function namedAs(reader: ByteReader, publicArea: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const name = sized(reader, 'name');
  if (!equalBytes(name, nameOf(publicArea))) throw new FormatError('the name is not that of the public area');
  return name;
}

async function load(sequence: Sequence, parent: LoadedKey, blob: KeyBlob): Promise<LoadedKey> {
  const { handle, parameters } = await sequence.execute({
    name: 'Load',
    code: CC.load,
    handles: [parent],
    authorisations: ['empty'],
    parameters: new TpmWriter().sized(blob.private).sized(blob.public).done(),
    opens: true,
  });
  return readAnswer(parameters, 'Load', (reader) => ({
    handle,
    publicArea: blob.public,
    name: namedAs(reader, blob.public),
  }));
}

async function readPublic(sequence: Sequence, handle: number): Promise<LoadedKey> {
  const { parameters } = await sequence.execute({ name: 'ReadPublic', code: CC.readPublic, handles: [handle] });
  return readAnswer(parameters, 'ReadPublic', (reader) => {
    const publicArea = sized(reader, 'public area');
    const name = namedAs(reader, publicArea);
    sized(reader, 'qualified name');
    return { handle, publicArea, name };
  });
}

/** TPMS_CONTEXT, whose contents only the TPM reads. */
async function contextSave(sequence: Sequence, key: LoadedKey): Promise<Uint8Array<ArrayBuffer>> {
  const { parameters } = await sequence.execute({ name: 'ContextSave', code: CC.contextSave, handles: [key] });
  return readAnswer(parameters, 'ContextSave', (reader) => {
    reader.u64be('sequence');
    reader.u32be('saved handle');
    reader.u32be('hierarchy');
    sized(reader, 'context');
    return reader.bytes.slice();
  });
}

async function contextLoad(sequence: Sequence, context: Uint8Array): Promise<number> {
  const { handle, parameters } = await sequence.execute({
    name: 'ContextLoad',
    code: CC.contextLoad,
    parameters: new Uint8Array(context),
    opens: true,
  });
  return readAnswer(parameters, 'ContextLoad', () => handle);
}

async function quote(sequence: Sequence, key: LoadedKey, qualifyingData: Uint8Array, selection: Uint8Array) {
  const { parameters } = await sequence.execute({
    name: 'Quote',
    code: CC.quote,
    handles: [key],
    authorisations: ['empty'],
    parameters: new TpmWriter().sized(qualifyingData).u16(ALG.null).bytes(selection).done(),
  });
  return readAnswer(parameters, 'Quote', (reader) => readSignedAttest(reader, ST.attestQuote));
}

async function unseal(sequence: Sequence, ...[item, policy, encrypt]: Parameters<TpmCommands['unseal']>) {
  const { parameters } = await sequence.execute({
    name: 'Unseal',
    code: CC.unseal,
    handles: [item],
    authorisations: [policy],
    encryption: { session: encrypt, command: false, answer: true },
  });
  return readAnswer(parameters, 'Unseal', (reader) => sized(reader, 'data'));
}

async function activateCredential(
  sequence: Sequence,
  ...[attestationKey, endorsementKey, endorsed, credential]: Parameters<TpmCommands['activateCredential']>
) {
  const { parameters } = await sequence.execute({
    name: 'ActivateCredential',
    code: CC.activateCredential,
    handles: [attestationKey, endorsementKey],
    authorisations: ['empty', endorsed ?? 'empty'],
    parameters: new TpmWriter().sized(credential.idObject).sized(credential.encryptedSecret).done(),
  });
  return readAnswer(parameters, 'ActivateCredential', (reader) => sized(reader, 'secret'));
}
