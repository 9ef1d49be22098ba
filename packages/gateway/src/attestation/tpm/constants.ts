/** Numbers of TPM 2.0 Part 2 (structures), by the section that names them. */

/** TPM_ALG_ID (section 6.3). */
export const ALG = {
  rsa: 0x0001,
  sha1: 0x0004,
  hmac: 0x0005,
  aes: 0x0006,
  keyedHash: 0x0008,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsassa: 0x0014,
  rsapss: 0x0016,
  oaep: 0x0017,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

/** TPM_ECC_CURVE (section 6.4). */
export const CURVE = { p256: 0x0003, p384: 0x0004, p521: 0x0005 } as const;

/** TPM_CC (section 6.5.2): the commands that are sent. */
export const CC = {
  nvUndefineSpace: 0x122,
  createPrimary: 0x131,
  nvDefineSpace: 0x12a,
  nvIncrement: 0x134,
  nvExtend: 0x136,
  nvWrite: 0x137,
  pcrReset: 0x13d,
  activateCredential: 0x147,
  nvRead: 0x14e,
  policySecret: 0x151,
  create: 0x153,
  load: 0x157,
  quote: 0x158,
  unseal: 0x15e,
  contextLoad: 0x161,
  contextSave: 0x162,
  flushContext: 0x165,
  nvReadPublic: 0x169,
  readPublic: 0x173,
  startAuthSession: 0x176,
  getCapability: 0x17a,
  getRandom: 0x17b,
  pcrRead: 0x17e,
  policyPcr: 0x17f,
  pcrExtend: 0x182,
  nvCertify: 0x184,
  policyGetDigest: 0x189,
} as const;

/** TPM_ST (section 6.9). */
export const ST = { noSessions: 0x8001, sessions: 0x8002, attestNv: 0x8014, attestQuote: 0x8018 } as const;

/** TPM_SE (section 6.11). */
export const SE = { hmac: 0x00, policy: 0x01, trial: 0x03 } as const;

/** TPM_CAP (section 6.12). */
export const CAP = { handles: 0x1, pcrs: 0x5, tpmProperties: 0x6 } as const;

/** TPM_PT (section 6.13). */
export const PT = {
  /** TPM 2.0 family indicator, level and revision of the specification. */
  familyIndicator: 0x100,
  level: 0x101,
  revision: 0x102,
  manufacturer: 0x105,
  vendorString1: 0x106,
  vendorString2: 0x107,
  vendorString3: 0x108,
  vendorString4: 0x109,
  firmwareVersion1: 0x10b,
  firmwareVersion2: 0x10c,
  /** Most bytes that an NV read or write takes. */
  nvBufferMax: 0x12c,
} as const;

/** TPM_RH (section 7.4). */
export const RH = {
  owner: 0x4000_0001,
  null: 0x4000_0007,
  password: 0x4000_0009,
  endorsement: 0x4000_000b,
} as const;

/** First handle of each range (section 7.2, TPM_HT). */
export const HANDLES = {
  nv: 0x0100_0000,
  hmacSession: 0x0200_0000,
  /** As TPM_CAP_HANDLES understands it: sessions that are saved outside the TPM. As a handle: policy sessions. */
  policySession: 0x0300_0000,
  transient: 0x8000_0000,
  persistent: 0x8100_0000,
} as const;

/** TPMA_SESSION (section 8.4). `decrypt`: the first parameter of the command is encrypted; `encrypt`: that of the answer. */
export const TPMA_SESSION = { continueSession: 0x01, decrypt: 0x20, encrypt: 0x40 } as const;

/** TPMA_OBJECT (section 8.3). */
export const TPMA_OBJECT = {
  fixedTPM: 1 << 1,
  stClear: 1 << 2,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDA: 1 << 10,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

/** TPMA_NV (section 13.4). */
export const TPMA_NV = {
  ownerWrite: 1 << 1,
  authWrite: 1 << 2,
  /** TPM_NT in bits 4 to 7: what the index is. Left out: ordinary data. */
  counter: 1 << 4,
  extend: 4 << 4,
  ownerRead: 1 << 17,
  authRead: 1 << 18,
  noDA: 1 << 25,
  /** Set by the first write (or extend, or increment). */
  written: 1 << 29,
} as const;

/** TPM_RC (section 6.6) that a caller decides by. */
export const RC = {
  initialize: 0x100,
  yielded: 0x908,
  testing: 0x90a,
  retry: 0x922,
  /** Format-one codes, without the number of handle, parameter or session. */
  handle: 0x08b,
  value: 0x084,
  policyFail: 0x09d,
  integrity: 0x09f,
  nvUninitialized: 0x14a,
  nvDefined: 0x14c,
} as const;
