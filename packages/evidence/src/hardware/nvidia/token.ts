import { type Jws, parseJws } from '../../crypto/jws.ts';
import { FormatError } from '../../format-error.ts';
import { JsonError } from '../../json/error.ts';
import { parseJson } from '../../json/parse.ts';
import { isObject, type JsonObject, type JsonValue } from '../../json/value.ts';
import { flag, integer, object, oneOf, openObject, type Rule, text } from '../../shape.ts';

const LIMITS = { bytes: 4 * 1024 * 1024, depth: 16, items: 100_000 };
/** Year 9999: what is later is no time. */
const MAX_TIME = 253_402_300_799;
/** Fit to be shown: printable ASCII. */
const WORDS = /^[ -~]{1,200}$/;
const HEX = /^[0-9a-f]{2,256}$/i;
/** A device in a bundle. A token speaks of each by such a name. */
const DEVICE = /^(?:GPU|SWITCH)-\d{1,4}$/;

/** Members that both kinds of token have. Times are seconds since the epoch. */
export interface Claims {
  iss: string;
  eat_nonce: string;
  iat: number;
  nbf: number;
  exp: number;
}

export interface OverallClaims extends Claims {
  sub: string;
  'x-nvidia-ver': string;
  'x-nvidia-overall-att-result': boolean;
  /** Device to digest of its token. */
  submods: Record<string, ['DIGEST', ['SHA-256', string]]>;
}

/** What the service says of one device. What it leaves out is not known. */
export interface DeviceClaims extends Claims {
  measres?: string;
  secboot?: boolean;
  dbgstat?: string;
  hwmodel?: string;
  ueid?: string;
  'x-nvidia-gpu-driver-version'?: string;
  'x-nvidia-gpu-vbios-version'?: string;
}

/** A signed token as it was read. Nothing in it is proven by reading it. */
export interface Token<C> {
  /** As it was written: what a digest is over. */
  text: string;
  jws: Jws;
  claims: C;
}

/** The answer of the NVIDIA Remote Attestation Service: an overall token, and one for each device (RFC 9711 section 5, detached). */
export interface DetachedEat {
  overall: Token<OverallClaims>;
  devices: ReadonlyMap<string, Token<DeviceClaims>>;
}

const COMMON = {
  iss: text(WORDS),
  eat_nonce: text(HEX),
  iat: integer(0, MAX_TIME),
  nbf: integer(0, MAX_TIME),
  exp: integer(0, MAX_TIME),
};
const DIGEST: Rule = (value, path) => {
  const [kind, rest, ...more] = Array.isArray(value) ? value : [];
  const [algorithm, digest, ...others] = Array.isArray(rest) ? rest : [];
  const whole = kind === 'DIGEST' && algorithm === 'SHA-256' && more.length + others.length === 0;
  return whole && typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest)
    ? null
    : `${path} is not a SHA-256 digest`;
};
const OVERALL = object(
  {
    ...COMMON,
    sub: text(WORDS),
    'x-nvidia-ver': oneOf('3.0'),
    'x-nvidia-overall-att-result': flag,
    submods: openObject(DIGEST),
  },
  {},
  'allowed',
);
const DEVICE_CLAIMS = object(
  COMMON,
  {
    measres: text(WORDS),
    secboot: flag,
    dbgstat: text(WORDS),
    hwmodel: text(WORDS),
    ueid: text(WORDS),
    'x-nvidia-gpu-driver-version': text(WORDS),
    'x-nvidia-gpu-vbios-version': text(WORDS),
  },
  'allowed',
);

/**
 * Reads a detached EAT bundle: `[["JWT", token], {"GPU-0": token, …}]`.
 *
 * @throws FormatError
 */
export function parseDetachedEat(file: Uint8Array): DetachedEat {
  const value = parse(file, 'EAT');
  const [head, devices, ...rest] = Array.isArray(value) ? value : [];
  const [kind, overall, ...more] = Array.isArray(head) ? head : [];
  if (kind !== 'JWT' || typeof overall !== 'string' || !isObject(devices) || rest.length + more.length > 0) {
    throw new FormatError('EAT: it is not an overall token and one for each device');
  }
  return { overall: overallToken(overall), devices: new Map(Object.entries(devices).map(device)) };
}

function overallToken(written: string): Token<OverallClaims> {
  const { jws, claims } = tokenOf(written, OVERALL, 'the overall token');
  return { text: written, jws, claims: claims as JsonObject & OverallClaims };
}

function device([name, written]: [string, JsonValue]): [string, Token<DeviceClaims>] {
  if (!DEVICE.test(name)) throw new FormatError(`EAT: ${JSON.stringify(name)} is no device that is known`);
  if (typeof written !== 'string') throw new FormatError(`EAT: ${name} has no token`);
  const { jws, claims } = tokenOf(written, DEVICE_CLAIMS, `the token of ${name}`);
  return [name, { text: written, jws, claims: claims as JsonObject & DeviceClaims }];
}

function tokenOf(written: string, rule: Rule, what: string): { jws: Jws; claims: JsonValue } {
  const jws = parseJws(written);
  if (jws.kid !== null && !WORDS.test(jws.kid)) throw new FormatError(`${what} names a key by what is no name`);
  const claims = parse(jws.payload, what);
  const problem = rule(claims, what);
  if (problem !== null) throw new FormatError(problem);
  return { jws, claims };
}

function parse(bytes: Uint8Array, what: string): JsonValue {
  try {
    return parseJson(bytes, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`${what}: ${error.message}`);
    throw error;
  }
}
