import { equalBytes } from '@cmcp/evidence';
import { pemOf } from '../certificate-chain.ts';
import type { CollectedEvidence, EvidenceFile, LiveEvidence } from '../types.ts';
import type { FirmwareLog } from './event-log.ts';
import type { Identity } from './identity.ts';
import type { Quote, RegisterValues } from './quotes.ts';

const PLATFORM = 'tpm2';
const BINARY = 'application/octet-stream';
const JSON_TYPE = 'application/json';

/** What a gateway recorded of itself in NV, and the thumbprint of the key that this was certified for. */
export interface GatewayContinuity {
  thumbprint: Uint8Array;
  envelope: Uint8Array;
}

/** The quotes that stand for one session. */
export interface SessionQuotes {
  thumbprint: Uint8Array;
  first: Quote;
  second: Quote;
  /** The way from this session to what the second quote carries; null when it carries this session alone. */
  path: Uint8Array | null;
  values: RegisterValues;
}

/** Puts evidence into the forms that travel: claims and session files (wire-formats section 11), and live connections. */
export class EvidenceWriter {
  readonly #identity: Identity;
  readonly #log: FirmwareLog | null;
  /** The same in all evidence. */
  readonly #chains: CollectedEvidence['evidence'];

  constructor(identity: Identity, log: FirmwareLog | null) {
    this.#identity = identity;
    this.#log = log;
    const { chain, endorsement } = identity;
    this.#chains = {
      ...(chain.length > 0 && { cert_chain: base64(Buffer.from(pemOf(chain))) }),
      ...(endorsement.length > 0 && { ek_cert_chain: base64(Buffer.from(pemOf(endorsement))) }),
    };
  }

  forSession(quotes: SessionQuotes, continuity: GatewayContinuity | null): CollectedEvidence {
    const { first } = quotes;
    return {
      platform: PLATFORM,
      measurement: first.pcrDigest,
      firmwareVersion: first.firmwareVersion,
      evidence: { raw_evidence: base64(first.attest), quote_signature: base64(first.signature), ...this.#chains },
      beside: this.#beside(quotes, continuity),
    };
  }

  /** The roles of `cmcp evidence verify` for one quote. */
  forConnection({ attest, signature, pcrs }: Quote, values: RegisterValues): LiveEvidence {
    const { key, chain, endorsement } = this.#identity;
    const log = this.#log?.explaining(values) ?? null;
    return {
      kind: 'tpm',
      files: {
        attest,
        signature,
        pcrs,
        ak_public: key.publicArea,
        ...(chain.length > 0 && { ak_chain: utf8(pemOf(chain)) }),
        ...(endorsement.length > 0 && { ek_chain: utf8(pemOf(endorsement)) }),
        ...(log !== null && { event_log: log }),
      },
    };
  }

  #beside(
    { thumbprint, first, second, path, values }: SessionQuotes,
    continuity: GatewayContinuity | null,
  ): EvidenceFile[] {
    const log = this.#log?.explaining(values) ?? null;
    const ours = continuity !== null && equalBytes(continuity.thumbprint, thumbprint);
    return [
      file('ak_public', BINARY, this.#identity.key.publicArea),
      file('pcrs', JSON_TYPE, first.pcrs),
      file('second_attest', BINARY, second.attest),
      file('second_signature', BINARY, second.signature),
      file('second_pcrs', JSON_TYPE, second.pcrs),
      ...(path === null ? [] : [file('second_path', JSON_TYPE, path)]),
      ...(log === null ? [] : [file('event_log', BINARY, log), file('second_event_log', BINARY, log)]),
      ...(ours ? [file('nv_certify', JSON_TYPE, continuity.envelope)] : []),
    ];
  }
}

function file(role: string, media_type: string, bytes: Uint8Array): EvidenceFile {
  return { role: `tpm/${role}`, media_type, data: base64(bytes) };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
