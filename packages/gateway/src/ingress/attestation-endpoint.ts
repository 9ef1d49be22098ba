import {
  CMW_MEDIA_TYPE,
  decodeHex,
  encodeHex,
  LIVE_MEDIA_TYPE,
  type LiveDocument,
  readBase64Url,
  writeLiveDocument,
  writeLiveRecord,
} from '@cmcp/evidence';
import type { AttestLive } from '../attestation/live.ts';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { accepts, type HeaderValues } from '../mcp/exchange.ts';
import { AttemptLimit } from './attempts.ts';

/** RFC 8615. Without a credential on purpose: a client looks at the gateway before it sends one. */
export const ATTESTATION_PATH = '/.well-known/cmcp/attestation';

/** Challenges a minute: of one address, and of all together. */
const PER_ADDRESS = 60;
const ALTOGETHER = 600;
/** Challenges that wait for the device. They are answered one at a time, so that a session never waits for more than one. */
const MAX_WAITING = 32;

const MIN_NONCE = 16;
const MAX_NONCE = 64;

/** One challenge, as it came. */
export interface Challenge {
  /** Whoever asks, for the limit. */
  address: string;
  query: string | null;
  headers: HeaderValues;
}

/** What goes back. */
export interface AttestationAnswer {
  mediaType: string;
  text: string;
}

/** `GET /.well-known/cmcp/attestation?nonce=`: fresh evidence for whoever asks, in bounded numbers. */
export class AttestationEndpoint {
  readonly #attest: AttestLive;
  readonly #perAddress: AttemptLimit;
  readonly #altogether: AttemptLimit;
  /** Challenges that are being answered or wait, by nonce: who sends the same one at the same time gets the same answer. */
  readonly #pending = new Map<string, Promise<LiveDocument>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(attest: AttestLive, clock: Clock) {
    this.#attest = attest;
    this.#perAddress = new AttemptLimit(PER_ADDRESS, clock);
    this.#altogether = new AttemptLimit(ALTOGETHER, clock);
  }

  /** @throws GatewayError INVALID_REQUEST, NOT_ACCEPTABLE, RATE_LIMITED, OVERLOADED, and what collecting evidence throws */
  async answer({ address, query, headers }: Challenge): Promise<AttestationAnswer> {
    const nonce = nonceIn(query);
    const write = writerFor(headers);
    if (this.#perAddress.exceeded(address))
      throw new GatewayError('RATE_LIMITED', 'too many challenges of one address');
    if (this.#altogether.exceeded('all')) throw new GatewayError('OVERLOADED', 'too many challenges');
    return write(await this.#document(nonce));
  }

  #document(nonce: Uint8Array): Promise<LiveDocument> {
    const key = encodeHex(nonce);
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= MAX_WAITING)
      throw new GatewayError('OVERLOADED', 'too many challenges wait for the device');
    const asked = this.#last.then(() => this.#attest(nonce)).finally(() => this.#pending.delete(key));
    this.#pending.set(key, asked);
    this.#last = Promise.allSettled([asked]);
    return asked;
  }
}

function nonceIn(query: string | null): Uint8Array {
  const text = /^nonce=([0-9A-Za-z_-]{1,128})$/.exec(query ?? '')?.[1];
  const nonce = text === undefined ? null : decoded(text);
  if (nonce === null || nonce.length < MIN_NONCE || nonce.length > MAX_NONCE) {
    throw new GatewayError(
      'INVALID_REQUEST',
      'the query is not nonce= with 16 to 64 bytes as base64url or lower-case hex',
    );
  }
  return nonce;
}

/** What could be both is hex: 32 digits or more by chance are no base64url that anybody meant. */
function decoded(text: string): Uint8Array | null {
  return /^(?:[0-9a-f]{2}){16,64}$/.test(text) ? decodeHex(text) : readBase64Url(text);
}

function writerFor(headers: HeaderValues): (document: LiveDocument) => AttestationAnswer {
  if (accepts(headers, 'application/json') || accepts(headers, 'application/eat-ucs+json'))
    return (document) => ({ mediaType: LIVE_MEDIA_TYPE, text: writeLiveDocument(document) });
  if (accepts(headers, CMW_MEDIA_TYPE))
    return (document) => ({ mediaType: CMW_MEDIA_TYPE, text: writeLiveRecord(document) });
  throw new GatewayError('NOT_ACCEPTABLE', `the answer is ${LIVE_MEDIA_TYPE} or ${CMW_MEDIA_TYPE}`);
}
