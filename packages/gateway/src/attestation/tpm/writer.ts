/** Writes the big-endian structures of TPM 2.0 from front to back. Numbers that do not fit are a caller's mistake: RangeError. */
export class TpmWriter {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    return this.#number(value, 1);
  }

  u16(value: number): this {
    return this.#number(value, 2);
  }

  u32(value: number): this {
    return this.#number(value, 4);
  }

  bytes(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  /** TPM2B: the size in front, 16 bits. */
  sized(bytes: Uint8Array): this {
    return this.u16(bytes.length).bytes(bytes);
  }

  /** With a size of 32 bits in front, as the authorisation area has it. */
  sized32(bytes: Uint8Array): this {
    return this.u32(bytes.length).bytes(bytes);
  }

  /** What was written: a copy. */
  done(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Buffer.concat(this.#parts));
  }

  #number(value: number, width: number): this {
    const bytes = Buffer.alloc(width);
    bytes.writeUIntBE(value, 0, width);
    this.#parts.push(bytes);
    return this;
  }
}
