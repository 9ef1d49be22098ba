import { createHash } from 'node:crypto';
import { encodeHex, equalBytes } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { KeyBlob, LoadedKey, Tpm, TpmCommands } from './api.ts';
import { ALG, CC } from './constants.ts';
import { TpmError } from './error.ts';
import { nameOf } from './public-area.ts';
import { sealedDataTemplate, storageEccTemplate } from './templates.ts';
import { TpmWriter } from './writer.ts';

/** A secret that only one TPM gives out, and only while registers of its SHA-256 bank hold what they held. */
export interface SealedSecret {
  /** What they held: 32 bytes each, by register. */
  registers: ReadonlyMap<number, Uint8Array<ArrayBuffer>>;
  /** Name of the storage key that the secret lies under (TPM 2.0 Part 1, section 16). */
  parent: Uint8Array<ArrayBuffer>;
  blob: KeyBlob;
}

const BANK = 'sha256';
/** Registers that nothing but a restart resets: 16 and 23 can be reset by any program (PC Client Platform TPM Profile, table 2). */
export const LAST_SEALING_REGISTER = 15;
/** A PC client's TPM selects registers by three bytes (same profile, TPM_PT_PCR_SELECT_MIN). */
const SELECT_BYTES = 3;

/**
 * Seals `secret` to what `registers` hold now. It reaches the TPM encrypted, by a session that is salted to the storage key, so that
 * the bus of a discrete TPM shows nothing of it.
 *
 * @param registers at least one, each at most {@link LAST_SEALING_REGISTER}
 * @throws GatewayError STORE_SEALED when the TPM does not do it
 */
export function sealSecret(tpm: Tpm, registers: readonly number[], secret: Uint8Array): Promise<SealedSecret> {
  return used(tpm, async (commands) => {
    const held = await registersHold(commands, registers);
    const parent = await commands.createPrimary('owner', storageEccTemplate());
    const policy = await policyOf(commands, await commands.policySession(true), held);
    const encrypt = await commands.encryptedSession(parent);
    const blob = await commands.create(parent, sealedDataTemplate(policy), secret, encrypt);
    return { registers: held, parent: nameOf(parent.publicArea), blob };
  });
}

/**
 * Gives back what {@link sealSecret} sealed, encrypted on its way as it was then.
 *
 * @throws GatewayError STORE_SEALED when a register holds something else, another TPM was asked, or the TPM does not do it
 */
export function unsealSecret(tpm: Tpm, sealed: SealedSecret): Promise<Uint8Array<ArrayBuffer>> {
  return used(tpm, async (commands) => {
    const held = await registersHold(commands, [...sealed.registers.keys()]);
    assertUnchanged(sealed, held);
    const parent = await storageKey(commands, sealed);
    const policy = await commands.policySession();
    await policyOf(commands, policy, held);
    const item = await commands.load(parent, sealed.blob);
    return commands.unseal(item, policy, await commands.encryptedSession(parent));
  });
}

/** Whether `blob` is what {@link sealSecret} makes for these register values: under their policy alone, bound to TPM and parent. */
export function isSealedTo(blob: KeyBlob, registers: SealedSecret['registers']): boolean {
  // Up to `unique`, which the TPM fills in (TPM 2.0 Part 2, section 12.2.4).
  const asked = sealedDataTemplate(policyPcrDigest(registers)).subarray(0, -2);
  return equalBytes(blob.public.subarray(0, asked.length), asked) && blob.public.length === asked.length + 2 + 32;
}

/**
 * The policy digest of one PolicyPCR over these values (TPM 2.0 Part 3, section 23.7), recomputed: SHA-256 over 32 zeros, the command
 * code, the selection, and the SHA-256 of the values.
 */
function policyPcrDigest(registers: SealedSecret['registers']): Uint8Array<ArrayBuffer> {
  const select = new Uint8Array(SELECT_BYTES);
  const values = createHash('sha256');
  for (const [index, value] of registers) {
    select[index >> 3] = (select[index >> 3] ?? 0) | (1 << (index & 7));
    values.update(value);
  }
  const selection = new TpmWriter().u32(1).u16(ALG.sha256).u8(SELECT_BYTES).bytes(select).done();
  const policy = new TpmWriter().bytes(new Uint8Array(32)).u32(CC.policyPcr).bytes(selection).bytes(values.digest());
  return new Uint8Array(createHash('sha256').update(policy.done()).digest());
}

/** Values by register, in ascending order. */
async function registersHold(commands: TpmCommands, registers: readonly number[]): Promise<SealedSecret['registers']> {
  const ordered = [...new Set(registers)].sort((a, b) => a - b);
  const values = await commands.pcrRead(BANK, ordered);
  return new Map(
    ordered.map((index) => {
      const value = values.get(index);
      if (value?.length !== 32) throw cannot(`the TPM has no PCR ${index} in its ${BANK} bank`);
      return [index, value];
    }),
  );
}

/** Binds `session` to the registers and compares its digest with the recomputed one: what was read is not signed. */
async function policyOf(
  commands: TpmCommands,
  session: Parameters<TpmCommands['policyPcr']>[0],
  held: SealedSecret['registers'],
): Promise<Uint8Array<ArrayBuffer>> {
  await commands.policyPcr(session, BANK, [...held.keys()]);
  const policy = policyPcrDigest(held);
  if (equalBytes(await commands.policyDigest(session), policy)) return policy;
  throw cannot('a register changed in between, or the TPM reads out other values than it holds');
}

/** The storage key that the secret lies under: a primary is the same at each creation until the TPM is cleared. */
async function storageKey(commands: TpmCommands, sealed: SealedSecret): Promise<LoadedKey> {
  const parent = await commands.createPrimary('owner', storageEccTemplate());
  // Else whoever sits on the bus could offer a key of their own to salt the session to.
  if (equalBytes(nameOf(parent.publicArea), sealed.parent)) return parent;
  throw cannot('it was sealed by another TPM, or the TPM was cleared since');
}

function assertUnchanged(sealed: SealedSecret, held: SealedSecret['registers']): void {
  const changed = [...sealed.registers].filter(
    ([index, value]) => !equalBytes(value, held.get(index) ?? new Uint8Array()),
  );
  if (changed.length === 0) return;
  const names = [...sealed.registers.keys()].join(', ');
  const differ = changed.map(([index, value]) => {
    const now = held.get(index);
    return `PCR ${index} (${encodeHex(value)} then, ${now === undefined ? 'nothing' : encodeHex(now)} now)`;
  });
  throw cannot(`it is sealed to PCR ${names} of the ${BANK} bank, and changed is ${differ.join(', ')}`);
}

async function used<T>(tpm: Tpm, work: (commands: TpmCommands) => Promise<T>): Promise<T> {
  try {
    return await tpm.run(work);
  } catch (cause) {
    if (cause instanceof TpmError) throw cannot(cause.message, cause);
    throw cause;
  }
}

function cannot(why: string, cause?: unknown): GatewayError {
  return new GatewayError('STORE_SEALED', why, { cause });
}
