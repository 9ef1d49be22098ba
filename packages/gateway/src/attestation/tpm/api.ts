/** Banks that are asked for. SHA-1 banks are neither read nor quoted. */
export type PcrBank = 'sha256' | 'sha384';

/** A loaded object. `publicArea` is its TPMT_PUBLIC, `name` its Name (TPM 2.0 Part 1, section 16). */
export interface LoadedKey {
  handle: number;
  publicArea: Uint8Array<ArrayBuffer>;
  name: Uint8Array<ArrayBuffer>;
}

/** TPM2B_PRIVATE and TPM2B_PUBLIC contents, as Create gives them. */
export interface KeyBlob {
  private: Uint8Array<ArrayBuffer>;
  public: Uint8Array<ArrayBuffer>;
}

/** TPMS_ATTEST (bare) and TPMT_SIGNATURE. */
export interface SignedAttest {
  attest: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
}

/** TPMS_NV_PUBLIC. */
export interface NvPublic {
  index: number;
  nameAlgorithm: number;
  /** TPMA_NV. */
  attributes: number;
  policy: Uint8Array<ArrayBuffer>;
  /** Bytes. */
  size: number;
  name: Uint8Array<ArrayBuffer>;
}

/** What authorises the use of an NV index: its own empty auth value, or the owner's. */
export type NvAuthority = 'index' | 'owner';

export type Hierarchy = 'owner' | 'endorsement' | 'null';

/** An authorisation session that is open on the TPM. */
export interface AuthSession {
  readonly handle: number;
}

/**
 * One sequence of commands that nobody else's come between. Every transient object and session that it opens is flushed when the
 * sequence ends, however it ends. Promises reject with TpmError; with RangeError for arguments that no TPM could take. Without a
 * resource manager a TPM has room for three objects, and creating takes one of them.
 */
export interface TpmCommands {
  /** TPM2_GetCapability of one TPM_PT property; null when the TPM has none. */
  property(property: number): Promise<number | null>;
  /** Handles of a range: persistent objects (0x81…), NV indexes (0x01…), transient objects (0x80…). */
  handles(first: number): Promise<number[]>;
  /** Banks that are active, as algorithm ids. */
  pcrBanks(): Promise<number[]>;
  random(bytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Unsigned, and so never evidence: the values that a quote's digest is recomputed from. */
  pcrRead(bank: PcrBank, indexes: readonly number[]): Promise<Map<number, Uint8Array<ArrayBuffer>>>;
  pcrExtend(index: number, digests: Partial<Record<PcrBank, Uint8Array>>): Promise<void>;
  pcrReset(index: number): Promise<void>;
  /** `template`: TPMT_PUBLIC. */
  createPrimary(hierarchy: Hierarchy, template: Uint8Array): Promise<LoadedKey>;
  /** `data`: the secret of a sealed object. Parameters are encrypted when `encrypt` is given. */
  create(parent: LoadedKey, template: Uint8Array, data?: Uint8Array, encrypt?: AuthSession): Promise<KeyBlob>;
  load(parent: LoadedKey, blob: KeyBlob): Promise<LoadedKey>;
  readPublic(handle: number): Promise<LoadedKey>;
  flush(handle: number): Promise<void>;
  /** TPM2_ContextSave: the key leaves the TPM, encrypted by it, and {@link contextLoad} brings it back until the next reset. */
  contextSave(key: LoadedKey): Promise<Uint8Array<ArrayBuffer>>;
  contextLoad(context: Uint8Array): Promise<number>;
  /** `selection` of one bank; the scheme is the key's own. */
  quote(key: LoadedKey, qualifyingData: Uint8Array, bank: PcrBank, indexes: readonly number[]): Promise<SignedAttest>;
  /** null when the index is not defined. */
  nvReadPublic(index: number): Promise<NvPublic | null>;
  /**
   * Owner authorisation. The index has an empty auth value and a SHA-256 name.
   *
   * @param attributes TPMA_NV
   * @param policy digest of an authorisation policy; default none
   */
  nvDefine(index: number, attributes: number, bytes: number, policy?: Uint8Array): Promise<void>;
  nvUndefine(index: number): Promise<void>;
  /** The whole index, in chunks that the TPM takes. `authorisedBy` defaults to the index itself, here and in what follows. */
  nvRead(index: number, authorisedBy?: NvAuthority): Promise<Uint8Array<ArrayBuffer>>;
  nvWrite(index: number, data: Uint8Array, authorisedBy?: NvAuthority): Promise<void>;
  nvExtend(index: number, data: Uint8Array, authorisedBy?: NvAuthority): Promise<void>;
  nvIncrement(index: number, authorisedBy?: NvAuthority): Promise<void>;
  /** `bytes` from the beginning of the index; not 0, which would certify a digest. */
  nvCertify(
    key: LoadedKey,
    index: number,
    qualifyingData: Uint8Array,
    bytes: number,
    authorisedBy?: NvAuthority,
  ): Promise<SignedAttest>;
  /** `trial` only computes a policy digest. */
  policySession(trial?: boolean): Promise<AuthSession>;
  /**
   * An HMAC session salted to `key` (a restricted decryption key, such as an endorsement key) that encrypts the first parameter of
   * commands and answers with AES-CFB, so that the bus shows nothing.
   */
  encryptedSession(key: LoadedKey): Promise<AuthSession>;
  policyPcr(session: AuthSession, bank: PcrBank, indexes: readonly number[]): Promise<void>;
  policySecret(session: AuthSession, hierarchy: Hierarchy): Promise<void>;
  policyDigest(session: AuthSession): Promise<Uint8Array<ArrayBuffer>>;
  unseal(item: LoadedKey, policy: AuthSession, encrypt: AuthSession): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * `endorsed` is a policy session that policySecret satisfied; null for an endorsement key that takes its empty auth value (a
   * high-range template). Returns the secret that the verifier put into the credential (TPMS_ID_OBJECT, and what a
   * TPM2B_ENCRYPTED_SECRET holds).
   */
  activateCredential(
    attestationKey: LoadedKey,
    endorsementKey: LoadedKey,
    endorsed: AuthSession | null,
    credential: { idObject: Uint8Array; encryptedSecret: Uint8Array },
  ): Promise<Uint8Array<ArrayBuffer>>;
}

/** A TPM 2.0. Sequences run one after another, are retried on the retry codes, and end in bounded time. */
export interface Tpm {
  /**
   * Rejects with TpmError `closed`, `aborted`, `timeout`, `transport`, `response` or `refused`, or with what `work` throws. Handles and
   * sessions are of their sequence: another one that uses them is refused with `closed`.
   */
  run<T>(work: (commands: TpmCommands) => Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

/** Where a TPM is: the resource manager's device, or a simulator that speaks raw commands over a socket. */
export type TpmAddress =
  | { kind: 'device'; path: string }
  | { kind: 'tcp'; host: string; port: number }
  | { kind: 'unix'; path: string };
