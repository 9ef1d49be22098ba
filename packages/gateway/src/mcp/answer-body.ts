/** The body of an HTTP answer in Streamable HTTP: one JSON text, or a stream of server-sent events that carry messages. */
import { GatewayError } from '../errors.ts';
import { ByteBuffer } from './byte-buffer.ts';
import { SseError, SseParser } from './sse.ts';

export type HeaderFields = Record<string, string | string[] | undefined>;

/** Of an event id that comes back as a header field: what is longer is not kept. */
const MAX_ID_BYTES = 1024;
/** What a header field can carry exactly, as the bytes of UTF-8. */
const FIELD_VALUE = /^[!-~\x80-\xff](?:[ -~\x80-\xff]*[!-~\x80-\xff])?$/;

export class AnswerBody {
  readonly kind: 'json' | 'stream' | 'other';
  readonly #whole: ByteBuffer;
  readonly #stream: SseParser | null;

  /**
   * @param maxBytes of the whole body, or of one event of a stream
   * @param onMessage takes the bytes of each message on a stream; null: a stream is not listened to
   * @throws GatewayError UPSTREAM_PROTOCOL_ERROR when the body is compressed
   */
  constructor(headers: HeaderFields, maxBytes: number, onMessage: ((data: Buffer) => void) | null) {
    const encoding = headers['content-encoding'];
    // ATK-18: what is not decoded is not inspected, and nothing was accepted but identity.
    if (encoding !== undefined && encoding !== 'identity') {
      throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', 'the answer is compressed');
    }
    const type = String(headers['content-type'] ?? '')
      .split(';')[0]
      ?.trim()
      .toLowerCase();
    const streams = type === 'text/event-stream' && onMessage !== null;
    this.kind = streams ? 'stream' : type === 'application/json' ? 'json' : 'other';
    this.#whole = new ByteBuffer(maxBytes);
    this.#stream = streams
      ? new SseParser(maxBytes, ({ type: name, data }) => {
          // 2025-11-25 opens streams with an event whose data is empty.
          if (name === 'message' && data.length > 0) onMessage(data);
        })
      : null;
  }

  /** The stream's last event id as a header field sends it back; null when it gave none, or none that a field can carry. */
  get lastEventId(): string | null {
    const bytes = Buffer.from(this.#stream?.lastEventId ?? '', 'utf8');
    const field = bytes.toString('latin1');
    return bytes.length <= MAX_ID_BYTES && FIELD_VALUE.test(field) ? field : null;
  }

  /** Milliseconds that the stream wants between its end and the next attempt; null: it does not say. */
  get retryMs(): number | null {
    return this.#stream?.retryMs ?? null;
  }

  /** @throws GatewayError RESPONSE_SIZE_EXCEEDED, RESPONSE_ENCODING_INVALID, and what `onMessage` throws */
  push(chunk: Buffer): void {
    if (this.#stream === null) {
      if (!this.#whole.append(chunk)) throw new GatewayError('RESPONSE_SIZE_EXCEEDED', 'the answer is too long');
      return;
    }
    try {
      this.#stream.push(chunk);
    } catch (error) {
      if (!(error instanceof SseError)) throw error;
      throw error.reason === 'encoding'
        ? new GatewayError('RESPONSE_ENCODING_INVALID', 'the event stream is not UTF-8')
        : new GatewayError('RESPONSE_SIZE_EXCEEDED', 'an event is too long');
    }
  }

  /** Everything that came, when it is no stream. */
  take(): Buffer {
    return this.#whole.take();
  }
}
