import {
  encodeHex,
  FormatError,
  type GatewayComponents,
  merkleBatch,
  quoteBinding,
  readCertificates,
  sha256,
} from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { certificatesIn, type PlatformFiles, readOptional } from '../certificate-folder.ts';
import type { CollectedEvidence, EvidenceProvider, LaunchRegister, LiveEvidence } from '../types.ts';
import type { Tpm } from './api.ts';
import { TpmError } from './error.ts';
import { FirmwareLog } from './event-log.ts';
import { type Identity, identify } from './identity.ts';
import { extendLaunchRegister, readLaunchRegister } from './launch-register.ts';
import { recordInNv } from './nv-measurement.ts';
import {
  ALL_STATIC_PCRS,
  FIRMWARE_PCRS,
  type QuoteRequest,
  type QuoteSet,
  takeQuotes,
  takeWithLasting,
} from './quotes.ts';
import { EvidenceWriter, type GatewayContinuity } from './session-evidence.ts';

const DIGEST_BYTES = 32;
const BOUND_BYTES = 64;
const MOST_CERTIFICATE_BYTES = 1_048_576;

/** Told, in plain words, what evidence lacks and why. */
type Report = (detail: string) => void;

export interface TpmProviderOptions {
  /** Closed by the provider, also when it cannot be opened. */
  tpm: Tpm;
  /** Absolute path of a PEM file, leaf first: certificates of an attestation key of this TPM; null: the platform's, if it has any. */
  akCertificate: string | null;
  /** Absolute path of the firmware's event log. */
  eventLog: string;
  /** Absolute path of a folder with issuers that makers publish (`*.pem`, `*.der`). */
  issuers: string;
  files: PlatformFiles;
  report: Report;
}

/**
 * Opens a TPM 2.0 as a source of evidence.
 *
 * @throws GatewayError ATTESTATION_FAILED when it does not answer, or the configured certificate is of no key of it
 */
export async function openTpmProvider(options: TpmProviderOptions): Promise<TpmProvider> {
  const { tpm, akCertificate, eventLog, issuers, files, report } = options;
  try {
    const named = akCertificate === null ? [] : await configuredCertificates(akCertificate, files);
    const pool = await certificatesIn(issuers, files, report);
    const identity = await identify(tpm, { named, pool }, report);
    if (identity.isSoftware) report('the TPM is a software TPM: its evidence shows nothing about a machine');
    const log = await FirmwareLog.open(eventLog, files, report);
    return new TpmProvider(tpm, identity, log, report);
  } catch (error) {
    await tpm.close();
    throw error;
  }
}

async function configuredCertificates(path: string, files: PlatformFiles): ReturnType<typeof certificatesIn> {
  const refuse = (why: string, cause?: unknown): GatewayError =>
    new GatewayError('ATTESTATION_FAILED', `\`attestation.tpm.akCertificate\`: ${why}`, { cause });
  const { bytes, problem } = await readOptional(path, MOST_CERTIFICATE_BYTES, files);
  if (bytes === null) throw refuse(problem);
  try {
    return readCertificates(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw refuse(`${path}: ${error.message}`, error);
  }
}

/** A TPM 2.0 that vouches for the state of its machine: two quotes for a session or a batch of them (contracts section 4). */
export class TpmProvider implements EvidenceProvider {
  readonly kind = 'tpm';
  readonly capabilities = { runtimeExtend: true, sealing: true, rollbackCounter: true };
  readonly #tpm: Tpm;
  readonly #identity: Identity;
  readonly #writer: EvidenceWriter;
  readonly #report: Report;
  #continuity: GatewayContinuity | null = null;
  /** The first quote says the same for every session of this process. */
  #latest: QuoteSet | null = null;

  constructor(tpm: Tpm, identity: Identity, log: FirmwareLog | null, report: Report) {
    this.#tpm = tpm;
    this.#identity = identity;
    this.#writer = new EvidenceWriter(identity, log);
    this.#report = report;
  }

  async collect(bound: readonly Uint8Array[], signal?: AbortSignal): Promise<CollectedEvidence[]> {
    for (const each of bound) requireLength(each, BOUND_BYTES);
    const bindings = bound.map(quoteBinding);
    const [only] = bindings;
    if (only === undefined) return [];
    const batch = bindings.length === 1 ? { root: only, paths: [null] } : merkleBatch(bindings);
    const sessions = sessionsOf(bound);
    const second = { extraData: batch.root, indexes: ALL_STATIC_PCRS };
    const requests = { lasting: [...new Set(sessions.map(({ first }) => first))], fresh: second };
    const taken = await takeWithLasting(this.#tpm, this.#identity.key, requests, this.#latest, signal);
    this.#latest = taken;
    const { of, values } = taken;
    return sessions.map(({ thumbprint, first }, i) => {
      const quotes = { thumbprint, first: of(first), second: of(second), path: batch.paths[i] ?? null, values };
      return this.#writer.forSession(quotes, this.#continuity);
    });
  }

  async collectLive(statement: Uint8Array, signal?: AbortSignal): Promise<LiveEvidence> {
    const request = { extraData: sha256(statement), indexes: ALL_STATIC_PCRS };
    const { of, values } = await takeQuotes(this.#tpm, this.#identity.key, [request], signal);
    return this.#writer.forConnection(of(request), values);
  }

  launchRegister(): Promise<LaunchRegister> {
    return readLaunchRegister(this.#tpm);
  }

  extend(digest: Uint8Array): Promise<void> {
    return extendLaunchRegister(this.#tpm, digest);
  }

  async recordGateway(components: GatewayComponents, thumbprint: Uint8Array<ArrayBuffer>): Promise<void> {
    requireLength(thumbprint, DIGEST_BYTES);
    try {
      const { envelope, problem } = await recordInNv(this.#tpm, this.#identity.key, components, thumbprint);
      if (envelope === null) this.#report(`the gateway is not recorded in the TPM: ${problem}`);
      else this.#continuity = { thumbprint, envelope };
    } catch (error) {
      // Owners keep their authorisation, and some TPMs have no room: evidence says as much without the record.
      if (!(error instanceof TpmError)) throw error;
      this.#report(`the gateway is not recorded in the TPM: ${error.message}`);
    }
  }

  async close(): Promise<void> {
    await this.#tpm.close();
  }
}

/**
 * The first quote carries the first half of the 64 bytes, the thumbprint of the key, and no more (wire-formats section 10). Sessions of
 * one gateway share their key, and so the request.
 */
function sessionsOf(bound: readonly Uint8Array[]): { thumbprint: Uint8Array; first: QuoteRequest }[] {
  const known = new Map<string, QuoteRequest>();
  return bound.map((each) => {
    const thumbprint = each.slice(0, DIGEST_BYTES);
    const name = encodeHex(thumbprint);
    const first = known.get(name) ?? { extraData: thumbprint, indexes: FIRMWARE_PCRS };
    known.set(name, first);
    return { thumbprint, first };
  });
}

function requireLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes, where ${length} are needed`);
}
