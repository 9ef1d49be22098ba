/**
 * What the relying party accepts, beyond what no policy can waive. Every member is optional; what is left out has the default
 * that its comment names. Hex is lower case.
 */
export interface EvidencePolicy {
  sevSnp?: {
    /** Default false. */
    allowDebug?: boolean;
    /** Default: any value from 0 to 3 is reported, none refused. */
    maxVmpl?: number;
    /** Least COMMITTED_TCB, component by component (bootloader, tee, snp, microcode, fmc). */
    minTcb?: { bootloader?: number; tee?: number; snp?: number; microcode?: number; fmc?: number };
    /** 48-byte MEASUREMENT values, any of which is acceptable. */
    measurements?: string[];
    hostData?: string;
    idKeyDigests?: string[];
    authorKeyDigests?: string[];
    /** Bits of PLATFORM_INFO and of the guest policy: true requires the bit, false forbids it. */
    platform?: {
      smt?: boolean;
      tsme?: boolean;
      ecc?: boolean;
      raplDisabled?: boolean;
      ciphertextHiding?: boolean;
      aliasCheck?: boolean;
    };
    guest?: {
      smt?: boolean;
      /** Default false: true allows a migration agent, and does not require one. */
      migration?: boolean;
      singleSocket?: boolean;
    };
    minGuestSvn?: number;
    /** Required bits of the current mitigation vector (report v5), as a hex number. */
    mitigations?: string;
    /** Default false: true makes a CRL of the ARK required. */
    requireCrl?: boolean;
  };
  tdx?: {
    allowDebug?: boolean;
    /** TCB statuses besides UpToDate that are acceptable. */
    allowTcbStatus?: string[];
    /** Advisory ids that the relying party has looked at. */
    allowAdvisories?: string[];
    mrtd?: string[];
    mrSeam?: string[];
    mrConfigId?: string;
    mrOwner?: string;
    mrOwnerConfig?: string;
    /** Index to acceptable values. */
    rtmr?: { '0'?: string[]; '1'?: string[]; '2'?: string[]; '3'?: string[] };
    /** TD attribute SEPT_VE_DISABLE; default not required. */
    requireSeptVeDisable?: boolean;
    /** Non-zero bytes after the signed structure; default refused as not acceptable. They are never parsed. */
    allowTrailingBytes?: boolean;
  };
  tpm?: {
    /** Reference values: bank to PCR index to acceptable digests. */
    pcrs?: Record<string, Record<string, string[]>>;
    /** Bank and indexes that the quote must select, e.g. `sha256:0,1,2`. */
    selection?: string;
    firmwareVersions?: string[];
  };
  nvidia?: {
    /** Number of GPUs that a token must speak of. */
    gpus?: number;
    driverVersions?: string[];
    vbiosVersions?: string[];
  };
}
