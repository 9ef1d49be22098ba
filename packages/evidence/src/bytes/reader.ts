import { FormatError } from '../format-error.ts';
import { encodeHex } from './hex.ts';

/** Reads a binary structure from front to back. Every length is checked against what is there: nothing is read beyond the end. */
export class ByteReader {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #what: string;
  readonly #view: DataView;
  #at = 0;

  /** @param what names the structure in errors */
  constructor(bytes: Uint8Array<ArrayBuffer>, what: string) {
    this.bytes = bytes;
    this.#what = what;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Offset of what is read next. */
  get at(): number {
    return this.#at;
  }

  /** Bytes that are still to be read. */
  get left(): number {
    return this.bytes.length - this.#at;
  }

  /** The next `length` bytes: a view, not a copy. @throws FormatError when there are fewer */
  take(length: number, field: string): Uint8Array<ArrayBuffer> {
    const start = this.#claim(length, field);
    return this.bytes.subarray(start, start + length);
  }

  /** As {@link take}, as lower-case hex. */
  hex(length: number, field: string): string {
    return encodeHex(this.take(length, field));
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#claim(1, field));
  }

  u16le(field: string): number {
    return this.#view.getUint16(this.#claim(2, field), true);
  }

  u16be(field: string): number {
    return this.#view.getUint16(this.#claim(2, field), false);
  }

  u32le(field: string): number {
    return this.#view.getUint32(this.#claim(4, field), true);
  }

  u32be(field: string): number {
    return this.#view.getUint32(this.#claim(4, field), false);
  }

  u64le(field: string): bigint {
    return this.#view.getBigUint64(this.#claim(8, field), true);
  }

  u64be(field: string): bigint {
    return this.#view.getBigUint64(this.#claim(8, field), false);
  }

  /** Bytes that the format reserves: anything but zeros is refused. @throws FormatError */
  zeros(length: number, field: string): void {
    if (this.take(length, field).some((byte) => byte !== 0)) {
      throw new FormatError(`${this.#what}: ${field} is reserved and not zero`);
    }
  }

  /** @throws FormatError unless all was read */
  end(): void {
    if (this.left > 0) throw new FormatError(`${this.#what}: ${this.left} bytes follow its end`);
  }

  #claim(length: number, field: string): number {
    if (length > this.left) {
      throw new FormatError(
        `${this.#what}: ${field} needs ${length} bytes at offset ${this.#at}, ${this.left} are left`,
      );
    }
    const start = this.#at;
    this.#at += length;
    return start;
  }
}
