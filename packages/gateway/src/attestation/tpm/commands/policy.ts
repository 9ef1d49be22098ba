import { type ByteReader, FormatError, parseStoragePublic } from '@cmcp/evidence';
import { readAnswer, sized, understood } from '../answer.ts';
import type { AuthSession, LoadedKey, TpmCommands } from '../api.ts';
import { ALG, CC, RH, SE } from '../constants.ts';
import { shareSecret } from '../secret-sharing.ts';
import type { Sequence } from '../sequence.ts';
import { NONCE_BYTES, SESSION_CIPHER, SESSION_HASH, sessionKey } from '../session.ts';
import { TpmWriter } from '../writer.ts';
import { HIERARCHY } from './key.ts';
import { selectionOf } from './selection.ts';

type PolicyCommands = Pick<
  TpmCommands,
  'policySession' | 'encryptedSession' | 'policyPcr' | 'policySecret' | 'policyDigest'
>;

const NOTHING = new Uint8Array();
/** TPMT_SYM_DEF of a session that encrypts nothing. */
const NO_CIPHER = new TpmWriter().u16(ALG.null).done();

/** Sessions: what they prove of the TPM's state, and what they hide from the bus. */
export function policyCommands(sequence: Sequence): PolicyCommands {
  return {
    policySession: (trial = false) => policySession(sequence, trial ? SE.trial : SE.policy),
    encryptedSession: (key) => encryptedSession(sequence, key),
    policyPcr: async (session, bank, indexes) => {
      // An empty digest: the TPM takes the values that the registers have.
      const parameters = new TpmWriter().sized(NOTHING).bytes(selectionOf(bank, indexes)).done();
      const executed = await sequence.execute({
        name: 'PolicyPCR',
        code: CC.policyPcr,
        handles: [session.handle],
        parameters,
      });
      readAnswer(executed.parameters, 'PolicyPCR', () => {});
    },
    policySecret: async (session, hierarchy) => {
      const { parameters } = await sequence.execute({
        name: 'PolicySecret',
        code: CC.policySecret,
        handles: [HIERARCHY[hierarchy], session.handle],
        authorisations: ['empty'],
        // No nonce, cpHash, reference or expiration: it holds for this session.
        parameters: new TpmWriter().sized(NOTHING).sized(NOTHING).sized(NOTHING).u32(0).done(),
      });
      readAnswer(parameters, 'PolicySecret', skipTicket);
    },
    policyDigest: async (session) => {
      const { parameters } = await sequence.execute({
        name: 'PolicyGetDigest',
        code: CC.policyGetDigest,
        handles: [session.handle],
      });
      return readAnswer(parameters, 'PolicyGetDigest', (reader) => sized(reader, 'digest'));
    },
  };
}

/** TPM2B_TIMEOUT and TPMT_TK_AUTH. */
function skipTicket(reader: ByteReader): void {
  sized(reader, 'timeout');
  reader.u16be('tag of the ticket');
  reader.u32be('hierarchy of the ticket');
  sized(reader, 'ticket');
}

async function policySession(sequence: Sequence, type: number): Promise<AuthSession> {
  const { handle, nonceTpm } = await start(sequence, {
    handles: [RH.null, RH.null],
    nonceCaller: sequence.nonce(),
    encryptedSalt: NOTHING,
    type,
    cipher: NO_CIPHER,
  });
  return sequence.remember({ kind: 'policy', handle, key: NOTHING, nonceTpm });
}

/** Salted to the key, and bound to nothing: only the TPM that holds the key can have the session's key. */
async function encryptedSession(sequence: Sequence, key: LoadedKey): Promise<AuthSession> {
  const salt = shareSecret(
    understood(() => parseStoragePublic(key.publicArea)),
    'SECRET',
  );
  const nonceCaller = sequence.nonce();
  const { handle, nonceTpm } = await start(sequence, {
    handles: [key, RH.null],
    nonceCaller,
    encryptedSalt: salt.encrypted,
    type: SE.hmac,
    cipher: SESSION_CIPHER,
  });
  return sequence.remember({ kind: 'hmac', handle, key: sessionKey(salt.seed, nonceTpm, nonceCaller), nonceTpm });
}

interface Start {
  handles: [number | LoadedKey, number];
  nonceCaller: Uint8Array;
  encryptedSalt: Uint8Array;
  type: number;
  cipher: Uint8Array;
}

async function start(sequence: Sequence, given: Start): Promise<{ handle: number; nonceTpm: Uint8Array<ArrayBuffer> }> {
  const { handle, parameters } = await sequence.execute({
    name: 'StartAuthSession',
    code: CC.startAuthSession,
    handles: given.handles,
    parameters: new TpmWriter()
      .sized(given.nonceCaller)
      .sized(given.encryptedSalt)
      .u8(given.type)
      .bytes(given.cipher)
      .u16(SESSION_HASH)
      .done(),
    opens: true,
  });
  return readAnswer(parameters, 'StartAuthSession', (reader) => {
    const nonceTpm = sized(reader, 'nonce');
    if (nonceTpm.length !== NONCE_BYTES) throw new FormatError(`a nonce of ${nonceTpm.length} bytes`);
    return { handle, nonceTpm };
  });
}
