import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { parseSpki } from '../crypto/key.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import type { TestKeyPair } from './pki.ts';

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

/** The report with a true signature of `keys`, which are on P-384. */
export async function signSpdm(report: Uint8Array<ArrayBuffer>, keys: TestKeyPair): Promise<Uint8Array<ArrayBuffer>> {
  const body = report.slice(0, -96);
  return joined([body, await keys.sign(body)]);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** What the service says in a made token; see {@link makeToken}. */
export interface TokenParts {
  /** Hex. */
  nonce?: string;
  /** Seconds since the epoch; the token is in force for an hour. */
  iat?: number;
  /** Claims of the overall token that are other than usual; undefined leaves one out. */
  overall?: Record<string, unknown>;
  /** Devices, with claims that are other than usual. Default: one GPU. */
  devices?: Record<string, Record<string, unknown>>;
  /** Members of the header that are other than usual. */
  header?: Record<string, unknown>;
  /** Name of the key. */
  kid?: string;
}

/** A detached EAT bundle as the NVIDIA Remote Attestation Service writes it, signed by `keys`, which are on P-384. */
export async function makeToken(keys: TestKeyPair, parts: TokenParts = {}): Promise<Uint8Array<ArrayBuffer>> {
  const { nonce = '5a'.repeat(32), iat = 1_780_000_000, kid = 'test-key', devices = { 'GPU-0': {} } } = parts;
  const header = { kid, alg: 'ES384', ...parts.header };
  const common = {
    iss: 'https://nras.attestation.nvidia.com',
    eat_nonce: nonce,
    iat,
    nbf: iat,
    exp: iat + 3600,
  };
  const tokens: Record<string, string> = {};
  for (const [name, claims] of Object.entries(devices)) {
    tokens[name] = await signJws(header, { ...common, ...GOOD_DEVICE, ...claims }, keys);
  }
  const digests = Object.entries(tokens).map(([name, token]) => [name, ['DIGEST', ['SHA-256', sha256Hex(token)]]]);
  const overall = {
    ...common,
    sub: 'NVIDIA-PLATFORM-ATTESTATION',
    'x-nvidia-ver': '3.0',
    'x-nvidia-overall-att-result': true,
    submods: Object.fromEntries(digests),
    ...parts.overall,
  };
  return encodeUtf8(JSON.stringify([['JWT', await signJws(header, overall, keys)], tokens]));
}

const GOOD_DEVICE = {
  measres: 'success',
  secboot: true,
  dbgstat: 'disabled',
  hwmodel: 'GH100 A01 GSP BROM',
  ueid: '1234',
  'x-nvidia-gpu-driver-version': '590.12',
  'x-nvidia-gpu-vbios-version': '96.00.9F.00.01',
};

/** The key set of one key, as coordinates. */
export function keySet(keys: TestKeyPair, kid = 'test-key'): Uint8Array<ArrayBuffer> {
  return encodeUtf8(JSON.stringify({ keys: [jwkOf(keys, kid)] }));
}

/** The public key as a JWK, with its coordinates. */
export function jwkOf(keys: TestKeyPair, kid: string): Record<string, unknown> {
  const key = parseSpki(keys.spki);
  if (key.kind !== 'ec') throw new Error('not an EC key');
  return { kty: 'EC', crv: key.curve, kid, x: encodeBase64Url(key.x), y: encodeBase64Url(key.y), alg: 'ES384' };
}

/** A compact JWS over the JSON of `claims`. */
export async function signJws(header: object, claims: object, keys: TestKeyPair): Promise<string> {
  const part = (value: object) => encodeBase64Url(encodeUtf8(JSON.stringify(value)));
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${encodeBase64Url(await keys.sign(encodeUtf8(signed)))}`;
}
