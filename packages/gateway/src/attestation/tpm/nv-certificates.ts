import { type Certificate, FormatError, readCertificates } from '@cmcp/evidence';
import type { TpmCommands } from './api.ts';
import { TPMA_NV } from './constants.ts';
import { withoutFiller } from './nv-filler.ts';

/** Endorsement key certificates (TCG EK Credential Profile, section 2.2.1.4), the ones that most verifiers know first. */
const EK_CERTIFICATES = [0x01c0_000a, 0x01c0_0002, 0x01c0_0016];
/** Issuers of EK certificates: DER one after the other, over as many indexes as it takes (the same profile, section 2.2.1.5.2). */
const EK_CHAIN = { first: 0x01c0_0100, last: 0x01c0_01ff };

/** The whole contents of an NV index; null when it is not defined, not written, or not ours to read. */
export async function readNvIndex(commands: TpmCommands, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const area = await commands.nvReadPublic(index);
  if (area === null || (area.attributes & TPMA_NV.written) === 0) return null;
  if ((area.attributes & TPMA_NV.authRead) !== 0) return commands.nvRead(index, 'index');
  return (area.attributes & TPMA_NV.ownerRead) === 0 ? null : commands.nvRead(index, 'owner');
}

/** The certificate in an NV index. null: there is none, or none that can be read; `report` hears why. */
export async function nvCertificate(
  commands: TpmCommands,
  index: number,
  report: (detail: string) => void,
): Promise<Certificate | null> {
  const bytes = await readNvIndex(commands, index);
  if (bytes === null) return null;
  const [certificate, ...more] = readable(bytes, `the certificate in NV index ${hexIndex(index)}`, report);
  return more.length === 0 ? (certificate ?? null) : null;
}

/** What the maker says of the TPM: an endorsement key certificate and what is there of its issuers; null: the TPM has none. */
export async function endorsementCertificates(
  commands: TpmCommands,
  report: (detail: string) => void,
): Promise<{ leaf: Certificate; issuers: Certificate[] } | null> {
  for (const index of EK_CERTIFICATES) {
    const leaf = await nvCertificate(commands, index, report);
    if (leaf !== null) return { leaf, issuers: await endorsementIssuers(commands, report) };
  }
  return null;
}

export async function endorsementIssuers(
  commands: TpmCommands,
  report: (detail: string) => void,
): Promise<Certificate[]> {
  const defined = (await commands.handles(EK_CHAIN.first)).filter((index) => index <= EK_CHAIN.last);
  const parts: Uint8Array[] = [];
  for (const index of defined) {
    parts.push((await readNvIndex(commands, index)) ?? new Uint8Array());
  }
  return readable(new Uint8Array(Buffer.concat(parts)), 'the chain of the endorsement key in NV', report);
}

/** Makers write certificates in forms that nothing else has. Nothing rests on these, so one that cannot be read is left out. */
function readable(bytes: Uint8Array<ArrayBuffer>, what: string, report: (detail: string) => void): Certificate[] {
  try {
    const der = withoutFiller(bytes);
    return der.length === 0 ? [] : readCertificates(der);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    report(`${what} cannot be read: ${error.message}`);
    return [];
  }
}

/** An NV index as people write it. */
export function hexIndex(index: number): string {
  return `0x${index.toString(16).padStart(8, '0').toUpperCase()}`;
}
