/** Names of response codes (TPM 2.0 Part 2, section 6.6.3). Format-zero errors. */
const VERSION_ONE: Readonly<Record<number, string>> = {
  0: 'INITIALIZE',
  1: 'FAILURE',
  3: 'SEQUENCE',
  11: 'PRIVATE',
  25: 'HMAC',
  32: 'DISABLED',
  33: 'EXCLUSIVE',
  36: 'AUTH_TYPE',
  37: 'AUTH_MISSING',
  38: 'POLICY',
  39: 'PCR',
  40: 'PCR_CHANGED',
  45: 'UPGRADE',
  46: 'TOO_MANY_CONTEXTS',
  47: 'AUTH_UNAVAILABLE',
  48: 'REBOOT',
  49: 'UNBALANCED',
  66: 'COMMAND_SIZE',
  67: 'COMMAND_CODE',
  68: 'AUTHSIZE',
  69: 'AUTH_CONTEXT',
  70: 'NV_RANGE',
  71: 'NV_SIZE',
  72: 'NV_LOCKED',
  73: 'NV_AUTHORIZATION',
  74: 'NV_UNINITIALIZED',
  75: 'NV_SPACE',
  76: 'NV_DEFINED',
  80: 'BAD_CONTEXT',
  81: 'CPHASH',
  82: 'PARENT',
  83: 'NEEDS_TEST',
  84: 'NO_RESULT',
  85: 'SENSITIVE',
};

/** Format-one errors: of a handle, a parameter or a session. */
const FORMAT_ONE: Readonly<Record<number, string>> = {
  1: 'ASYMMETRIC',
  2: 'ATTRIBUTES',
  3: 'HASH',
  4: 'VALUE',
  5: 'HIERARCHY',
  7: 'KEY_SIZE',
  8: 'MGF',
  9: 'MODE',
  10: 'TYPE',
  11: 'HANDLE',
  12: 'KDF',
  13: 'RANGE',
  14: 'AUTH_FAIL',
  15: 'NONCE',
  16: 'PP',
  18: 'SCHEME',
  21: 'SIZE',
  22: 'SYMMETRIC',
  23: 'TAG',
  24: 'SELECTOR',
  26: 'INSUFFICIENT',
  27: 'SIGNATURE',
  28: 'KEY',
  29: 'POLICY_FAIL',
  31: 'INTEGRITY',
  32: 'TICKET',
  33: 'RESERVED_BITS',
  34: 'BAD_AUTH',
  35: 'EXPIRED',
  36: 'POLICY_CC',
  37: 'BINDING',
  38: 'CURVE',
  39: 'ECC_POINT',
};

/** Format-zero warnings: it may work another time. */
const WARNING: Readonly<Record<number, string>> = {
  1: 'CONTEXT_GAP',
  2: 'OBJECT_MEMORY',
  3: 'SESSION_MEMORY',
  4: 'MEMORY',
  5: 'SESSION_HANDLES',
  6: 'OBJECT_HANDLES',
  7: 'LOCALITY',
  8: 'YIELDED',
  9: 'CANCELED',
  10: 'TESTING',
  ...numbered(16, 7, 'REFERENCE_H'),
  ...numbered(24, 7, 'REFERENCE_S'),
  32: 'NV_RATE',
  33: 'LOCKOUT',
  34: 'RETRY',
  35: 'NV_UNAVAILABLE',
};

const FORMAT = 0x80;
const PARAMETER = 0x40;
/** Bits 8 to 11 of a format-zero code: version, and whether it is a warning. Others are reserved, or a vendor's. */
const ERROR_BITS = 0x1;
const WARNING_BITS = 0x9;

/** The code as `RC` has it: without the number of the handle, parameter or session that a format-one code names. */
export function responseCodeNumber(code: number): number {
  return code > 0xfff || (code & FORMAT) === 0 ? code : code & (FORMAT | 0x3f);
}

/**
 * Such as `TPM_RC_POLICY_FAIL (0x99d), session 1`. A code that has no name, such as one that the resource manager made (more than 12
 * bits), is given as a number.
 */
export function responseCodeText(code: number): string {
  const name = nameOfCode(code);
  const number = `0x${code.toString(16).padStart(3, '0')}`;
  return `${name === undefined ? `response code ${number}` : `TPM_RC_${name} (${number})`}${subject(code)}`;
}

function nameOfCode(code: number): string | undefined {
  if (code > 0xfff) return undefined;
  if ((code & FORMAT) !== 0) return FORMAT_ONE[code & 0x3f];
  const bits = code >> 8;
  if (bits === WARNING_BITS) return WARNING[code & 0x7f];
  return bits === ERROR_BITS ? VERSION_ONE[code & 0x7f] : undefined;
}

function subject(code: number): string {
  if (code > 0xfff || (code & FORMAT) === 0) return '';
  const number = (code >> 8) & 0xf;
  if ((code & PARAMETER) !== 0) return `, parameter ${number}`;
  return (number & 8) === 0 ? `, handle ${number}` : `, session ${number & 7}`;
}

function numbered(first: number, count: number, name: string): Record<number, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [first + i, `${name}${i}`]));
}
