import {
  attestationKeyProblem,
  type Certificate,
  equalBytes,
  FormatError,
  parsePublic,
  samePublicKey,
  spkiOf,
  type TpmPublic,
} from '@cmcp/evidence';
import type { LoadedKey, TpmCommands } from './api.ts';
import { HANDLES } from './constants.ts';
import { TpmError } from './error.ts';
import { tpmFailed } from './failure.ts';
import { nvCertificate, readNvIndex } from './nv-certificates.ts';
import { akEccTemplate } from './templates.ts';

/** Where a key is in the TPM, or what it is made from: a primary of the endorsement hierarchy is the same at each creation. */
type Source = { handle: number } | { template: Uint8Array };

/** A key that signs quotes and nothing else, and what vouches for it. */
export interface AttestationKey {
  /** For people, such as "the key of this gateway". */
  origin: string;
  area: TpmPublic;
  /** TPMT_PUBLIC. */
  publicArea: Uint8Array<ArrayBuffer>;
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array<ArrayBuffer>;
  /** null: nothing vouches for it. */
  certificate: Certificate | null;
  /** Puts the key at the disposal of a sequence of commands: cheap after the first time. */
  use(commands: TpmCommands): Promise<LoadedKey>;
}

/** Azure: the key is persistent (Azure documentation of guest attestation; attestation.md section 4). */
const AZURE = { handle: 0x8100_0003, certificate: 0x01c1_01d0 };
/** Google Cloud: the key is made from a template (go-tpm-tools, NV indexes of the virtual TPM). ECC first: it signs faster. */
const GOOGLE = [
  { certificate: 0x01c1_0002, template: 0x01c1_0003 },
  { certificate: 0x01c1_0000, template: 0x01c1_0001 },
];

/**
 * The key to quote with: the one that the operator's certificate names, else the one that the maker of the platform certified, else the
 * gateway's own, for which nothing vouches yet.
 *
 * @param named leaf of the operator's certificates; null: none is configured
 * @throws GatewayError ATTESTATION_FAILED when the certificate names no key of this TPM
 */
export async function chooseKey(
  commands: TpmCommands,
  named: Certificate | null,
  report: (detail: string) => void,
): Promise<AttestationKey> {
  if (named === null) return (await platformKey(commands, report)) ?? ownKey(commands);
  const own = await ownKey(commands);
  if (samePublicKey(own.area.key, named.key)) return { ...own, certificate: named };
  const platform = await platformKey(commands, report);
  if (platform !== null && samePublicKey(platform.area.key, named.key)) return { ...platform, certificate: named };
  throw tpmFailed('has no attestation key that is the one in the certificate of `attestation.tpm.akCertificate`');
}

/**
 * The key of this gateway: a restricted ECC key, primary in the endorsement hierarchy, so that nothing is stored and every gateway on
 * this TPM has the same one.
 */
export function ownKey(commands: TpmCommands): Promise<AttestationKey> {
  return residentKey(commands, 'the key of this gateway', { template: akEccTemplate() });
}

/** The persistent key of a virtual TPM of Azure. @throws GatewayError ATTESTATION_FAILED */
export function azureKey(commands: TpmCommands): Promise<AttestationKey> {
  return residentKey(commands, 'the key of the Azure platform', AZURE);
}

/** The key that the maker of the platform certified; null where there is none. */
async function platformKey(commands: TpmCommands, report: (detail: string) => void): Promise<AttestationKey | null> {
  return (await certifiedAzureKey(commands, report)) ?? (await googleKey(commands, report));
}

async function certifiedAzureKey(
  commands: TpmCommands,
  report: (detail: string) => void,
): Promise<AttestationKey | null> {
  const certificate = await nvCertificate(commands, AZURE.certificate, report);
  if (certificate === null) return null;
  const persistent = await commands.handles(HANDLES.persistent);
  return persistent.includes(AZURE.handle) ? certified(await azureKey(commands), certificate, report) : null;
}

async function googleKey(commands: TpmCommands, report: (detail: string) => void): Promise<AttestationKey | null> {
  for (const indexes of GOOGLE) {
    const certificate = await nvCertificate(commands, indexes.certificate, report);
    const template = certificate === null ? null : await readNvIndex(commands, indexes.template);
    if (certificate === null || template === null) continue;
    const key = await residentKey(commands, 'the key of the Google Cloud platform', { template });
    const found = certified(key, certificate, report);
    if (found !== null) return found;
  }
  return null;
}

/** A certificate of another key says nothing about this one: then the platform has certified none that is usable. */
function certified(
  key: AttestationKey,
  certificate: Certificate,
  report: (detail: string) => void,
): AttestationKey | null {
  if (samePublicKey(certificate.key, key.area.key)) return { ...key, certificate };
  report(`${key.origin} is not used: the certificate beside it is one of another key`);
  return null;
}

async function residentKey(commands: TpmCommands, origin: string, source: Source): Promise<AttestationKey> {
  const resident = new Resident(source);
  const { publicArea } = await resident.use(commands);
  const area = readable(origin, publicArea);
  const problem = attestationKeyProblem(area);
  if (problem !== null) throw tpmFailed(`cannot quote with ${origin}: ${problem}`);
  return {
    origin,
    area,
    publicArea,
    spki: spkiOf(area.key),
    certificate: null,
    use: (later) => resident.use(later),
  };
}

function readable(origin: string, publicArea: Uint8Array<ArrayBuffer>): TpmPublic {
  try {
    return parsePublic(publicArea);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw tpmFailed(`shows a public area of ${origin} that cannot be read: ${error.message}`, error);
  }
}

/** One key over many sequences. After the first, a primary comes back from its saved context: making it anew takes a chip seconds. */
class Resident {
  readonly #source: Source;
  #first: LoadedKey | null = null;
  #context: Uint8Array | null = null;

  constructor(source: Source) {
    this.#source = source;
  }

  async use(commands: TpmCommands): Promise<LoadedKey> {
    const known = this.#first;
    if (known === null || 'handle' in this.#source) return this.#same(await this.#make(commands));
    const handle = await this.#restore(commands);
    return handle === null ? this.#same(await this.#make(commands)) : { ...known, handle };
  }

  /** null: the TPM was reset since, so that it takes no context from before (TPM 2.0 Part 1, section 30). */
  async #restore(commands: TpmCommands): Promise<number | null> {
    if (this.#context === null) return null;
    try {
      return await commands.contextLoad(this.#context);
    } catch (error) {
      if (!(error instanceof TpmError) || error.code !== 'refused') throw error;
      this.#context = null;
      return null;
    }
  }

  async #make(commands: TpmCommands): Promise<LoadedKey> {
    if ('handle' in this.#source) return commands.readPublic(this.#source.handle);
    const key = await commands.createPrimary('endorsement', this.#source.template);
    this.#context = await commands.contextSave(key);
    return key;
  }

  /** What is certified is one key: another in its place, as after a change of the TPM, is never used under its name. */
  #same(key: LoadedKey): LoadedKey {
    this.#first ??= key;
    if (equalBytes(this.#first.name, key.name)) return key;
    throw tpmFailed('has another attestation key than when the gateway started');
  }
}
