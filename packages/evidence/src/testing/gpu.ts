/** What an SPDM exchange is made of. Everything has a default. */
export interface SpdmParts {
  /** Of the request: 32 bytes. */
  nonce?: Uint8Array;
  /** Values of 48 bytes, numbered from 1. */
  measurements?: Uint8Array[];
  /** Fields as {@link field} makes them. */
  opaque?: Uint8Array[];
}

/** One field of NVIDIA's opaque data: type, length, value. */
export function field(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined([u16(type), u16(value.length), value]);
}

/** A GET_MEASUREMENTS request and its response, with a signature of zeros. {@link signSpdm} makes a true one. */
export function spdmReport({ nonce, measurements, opaque }: SpdmParts): Uint8Array<ArrayBuffer> {
  const blocks = (measurements ?? [new Uint8Array(48).fill(0xaa)]).map((value, i) =>
    joined([Uint8Array.of(i + 1, 1), u16(3 + value.length), Uint8Array.of(1), u16(value.length), value]),
  );
  const [record, fields] = [joined(blocks), joined(opaque ?? [])];
  return joined([
    Uint8Array.of(0x11, 0xe0, 1, 0xff),
    nonce ?? new Uint8Array(32),
    Uint8Array.of(0),
    Uint8Array.of(0x11, 0x60, 0, 0, blocks.length),
    u16(record.length % 65536),
    Uint8Array.of(Math.floor(record.length / 65536)),
    record,
    new Uint8Array(32).fill(0x55),
    u16(fields.length),
    fields,
    new Uint8Array(96),
  ]);
}

/** The report with the signature of `key`, a P-384 private key. */
export async function signSpdm(report: Uint8Array<ArrayBuffer>, key: CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
  const body = report.slice(0, -96);
  return joined([body, new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-384' }, key, body))]);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
