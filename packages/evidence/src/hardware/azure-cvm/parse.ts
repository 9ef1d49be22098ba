import { textOf } from '../../audit/chain-entry.ts';
import { decodeBase64Url } from '../../bytes/base64url.ts';
import { ByteReader } from '../../bytes/reader.ts';
import { EncodingError } from '../../bytes/utf8.ts';
import { type PublicKey, rsaKey } from '../../crypto/key.ts';
import { FormatError } from '../../format-error.ts';
import { readJsonObject } from '../../json/document.ts';
import { isObject, type JsonObject, member } from '../../json/value.ts';
import { list, object, openObject, text } from '../../shape.ts';

const HCL = 'HCL report';
const RUNTIME = 'runtime data';
/** "HCLA". */
const MAGIC = 0x48434c41;
const REPORT_SIZE = 1184;
const RUNTIME_HEADER = 20;
/** report_type of the request that the paravisor answers. */
const TEES = new Map<number, AzureTee>([
  [2, 'sev-snp'],
  [4, 'tdx'],
]);
/** report_data_hash_type: which hash of the runtime data REPORT_DATA starts with. */
const SHA256 = 1;

/** The technology under the paravisor. */
export type AzureTee = 'sev-snp' | 'tdx';

/** What a confidential VM on Azure keeps in NV index 0x01400001. */
export interface HclReport {
  tee: AzureTee;
  /** An SEV-SNP report (1184 bytes), or a TDREPORT, which shows nothing away from its machine, and zeros. */
  report: Uint8Array<ArrayBuffer>;
  runtimeData: Uint8Array<ArrayBuffer>;
}

/** What the paravisor says in its runtime data. */
export interface RuntimeData {
  /** HCLAkPub: the key with which the virtual TPM quotes. */
  attestationKey: PublicKey;
  /** HCLEkPub; null when it is not named. */
  endorsementKey: PublicKey | null;
  secureBoot: boolean | null;
  consoleEnabled: boolean | null;
  tpmPersisted: boolean | null;
  vmId: string | null;
  userData: string | null;
}

/**
 * Reads the report of the paravisor (attestation.md section 4): header, report, header of the runtime data, and the data, whose own
 * length is at 1232. The rest of the NV index is zeros.
 *
 * @throws FormatError
 */
export function parseHcl(bytes: Uint8Array<ArrayBuffer>): HclReport {
  const reader = new ByteReader(bytes, HCL);
  if (reader.u32be('magic') !== MAGIC) throw new FormatError(`${HCL}: it does not start with HCLA`);
  reader.take(28, 'header');
  const report = reader.take(REPORT_SIZE, 'report');
  const size = reader.u32le('size of the runtime data');
  reader.u32le('version of the runtime data');
  const type = reader.u32le('type of the report');
  const hash = reader.u32le('hash of the runtime data');
  const length = reader.u32le('length of the runtime data');
  const tee = TEES.get(type);
  if (tee === undefined) throw new FormatError(`${HCL}: report type ${type} is not known`);
  if (hash !== SHA256) throw new FormatError(`${HCL}: hash ${hash} of the runtime data is not known`);
  if (size !== RUNTIME_HEADER + length) throw new FormatError(`${HCL}: the sizes of the runtime data do not agree`);
  const runtimeData = reader.take(length, 'runtime data');
  reader.zeros(reader.left, 'the rest');
  return { tee, report, runtimeData };
}

const KEY = object({ kid: text(), kty: text(), n: text(), e: text() }, {}, 'allowed');
const SHAPE = object({ keys: list(KEY) }, { 'vm-configuration': openObject(), 'user-data': text() }, 'allowed');

interface WireKey {
  kid: string;
  kty: string;
  n: string;
  e: string;
}

/** Reads the runtime data: JSON with the keys of the virtual TPM. @throws FormatError */
export function parseRuntimeData(bytes: Uint8Array): RuntimeData {
  const value = readJsonObject(bytes, RUNTIME, { bytes: 65_536, depth: 8, items: 1000 });
  const problem = SHAPE(value, 'the whole');
  if (problem !== null) throw new FormatError(`${RUNTIME}: ${problem}`);
  const keys = value.keys as unknown as WireKey[];
  const attestationKey = keyNamed(keys, 'HCLAkPub');
  if (attestationKey === null) throw new FormatError(`${RUNTIME}: it names no attestation key (HCLAkPub)`);
  const configuration = member(value, 'vm-configuration');
  const said = isObject(configuration) ? configuration : {};
  return {
    attestationKey,
    endorsementKey: keyNamed(keys, 'HCLEkPub'),
    secureBoot: flagOf(said, 'secure-boot'),
    consoleEnabled: flagOf(said, 'console-enabled'),
    tpmPersisted: flagOf(said, 'tpm-persisted'),
    vmId: textOf(said, 'vmUniqueId'),
    userData: textOf(value, 'user-data'),
  };
}

function keyNamed(keys: readonly WireKey[], kid: string): PublicKey | null {
  const [key, ...more] = keys.filter((each) => each.kid === kid);
  if (more.length > 0) throw new FormatError(`${RUNTIME}: it names ${kid} twice`);
  if (key === undefined) return null;
  if (key.kty !== 'RSA') throw new FormatError(`${RUNTIME}: ${kid} is a key of type ${JSON.stringify(key.kty)}`);
  try {
    return rsaKey(decodeBase64Url(key.n), decodeBase64Url(key.e));
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${RUNTIME}: ${kid}: ${error.message}`);
    throw error;
  }
}

function flagOf(object: JsonObject, name: string): boolean | null {
  const value = member(object, name);
  return typeof value === 'boolean' ? value : null;
}
