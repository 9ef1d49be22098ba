import { sha256 } from '../../packages/evidence/src/crypto/sha256.ts';
import type { TrustAnchor } from '../../packages/evidence/src/hardware/given.ts';
import { quoteBinding } from '../../packages/evidence/src/hardware/tpm/quote-pair.ts';
import { makeTpm, type TestTpm, type TpmOptions } from '../../packages/evidence/src/testing/tpm.ts';
import type { Platforms } from '../../packages/gateway/src/attestation/choose.ts';
import type {
  CollectedEvidence,
  EvidenceProvider,
  LiveEvidence,
} from '../../packages/gateway/src/attestation/types.ts';
import { GatewayError } from '../../packages/gateway/src/errors.ts';

const FIRST = 'sha256:0,1,2,3,4,5,6,7';
const SECOND = `${FIRST},8,9,10,11,12,13,14,15`;
const base64 = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('base64');

/**
 * A platform whose evidence is made by the tests: as a verifier reads it, genuine of a TPM under a generated root. It does what it
 * is told: fails, waits, or gives evidence for something else.
 */
export class GeneratedPlatform implements Platforms {
  readonly tpm: TestTpm;
  /** How often the device was asked, and for how many sessions each time. */
  readonly asked: number[] = [];
  opened = 0;
  closed = 0;
  /** Set: every collection fails with this. */
  failure: GatewayError | null = null;
  /** Set: every collection waits for this. */
  gate: Promise<void> | null = null;
  /** Set: evidence is made for these bytes instead of those asked for. */
  instead: Uint8Array | null = null;
  /** The launch register, PCR 13, hex. */
  launch = '00'.repeat(32);
  available = true;

  private constructor(tpm: TestTpm) {
    this.tpm = tpm;
  }

  static async create(options: TpmOptions = {}): Promise<GeneratedPlatform> {
    return new GeneratedPlatform(await makeTpm(options));
  }

  /** The root of its certificates, PEM, as an operator would give it. */
  get rootPem(): string {
    return this.tpm.rootCertificate.pem;
  }

  get anchor(): TrustAnchor {
    return { ...this.tpm.root, source: 'operator', assurance: 'unknown' };
  }

  async detect(kind: Parameters<Platforms['detect']>[0]): ReturnType<Platforms['detect']> {
    const available = kind === 'tpm' && this.available;
    return { kind, available, reason: available ? 'a generated platform' : 'not here', remedy: null };
  }

  async open(): Promise<EvidenceProvider> {
    this.opened += 1;
    return {
      kind: 'tpm',
      capabilities: { runtimeExtend: true, sealing: false, rollbackCounter: false },
      collect: (bound) => this.#collect(bound),
      collectLive: (statement) => this.#collectLive(statement),
      launchRegister: async () => ({ name: 'PCR 13', value: this.launch, after: extended }),
      extend: async (digest) => {
        this.launch = extended(digest);
      },
      close: async () => {
        this.closed += 1;
      },
    };
  }

  async #collect(bound: readonly Uint8Array[]): Promise<CollectedEvidence[]> {
    this.asked.push(bound.length);
    await this.gate;
    if (this.failure !== null) throw this.failure;
    return bound.map((each) => this.#evidenceFor(this.instead ?? each));
  }

  #evidenceFor(bound: Uint8Array): CollectedEvidence {
    const pcrs = { sha256: { '4': 'ab'.repeat(32), '13': this.launch } };
    const first = this.tpm.quote(bound.subarray(0, 32), FIRST, pcrs);
    const second = this.tpm.quote(quoteBinding(bound), SECOND, pcrs);
    const registers = Array.from({ length: 8 }, (_, i) => (i === 4 ? 'ab' : '00').repeat(32)).join('');
    const file = (role: string, data: Uint8Array) => ({
      role: `tpm/${role}`,
      media_type: 'application/octet-stream',
      data: base64(data),
    });
    return {
      platform: 'tpm2',
      measurement: `sha256:${Buffer.from(sha256(new Uint8Array(Buffer.from(registers, 'hex')))).toString('hex')}`,
      firmwareVersion: null,
      evidence: {
        raw_evidence: base64(first.attest),
        quote_signature: base64(first.signature),
        cert_chain: base64(this.tpm.files.ak_chain),
        ek_cert_chain: base64(this.tpm.files.ek_chain),
      },
      beside: [
        file('second_attest', second.attest),
        file('second_signature', second.signature),
        file('second_pcrs', second.pcrs),
      ],
    };
  }

  async #collectLive(statement: Uint8Array): Promise<LiveEvidence> {
    const { attest, signature, pcrs } = this.tpm.quote(sha256(new Uint8Array(statement)), SECOND, {
      sha256: { '13': this.launch },
    });
    const { ak_chain, ek_chain } = this.tpm.files;
    const chains = { ...(ak_chain && { ak_chain }), ...(ek_chain && { ek_chain }) };
    return { kind: 'tpm', files: { attest, signature, pcrs, ...chains } };
  }
}

/** PCR 13 after one extension of zeros with `digest`. */
export function extended(digest: Uint8Array): string {
  return Buffer.from(sha256(Uint8Array.of(...new Uint8Array(32), ...digest))).toString('hex');
}

export const deviceFailure = (): GatewayError => new GatewayError('ATTESTATION_FAILED', 'the device did not answer');
