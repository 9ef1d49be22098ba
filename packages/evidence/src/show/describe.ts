import { decodeBase64Url } from '../bytes/base64url.ts';
import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { parseCrl } from '../crypto/crl.ts';
import { readPem } from '../crypto/pem.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { FormatError } from '../format-error.ts';
import { parseHcl } from '../hardware/azure-cvm/parse.ts';
import { parseEventLog } from '../hardware/event-log/parse.ts';
import { parseGpuReport } from '../hardware/nvidia/parse.ts';
import { parseReport } from '../hardware/sev-snp/parse.ts';
import { parseQuote } from '../hardware/tdx/parse.ts';
import { parseAttest } from '../hardware/tpm/parse.ts';
import { parsePublic } from '../hardware/tpm/public-area.ts';
import { parseSignature } from '../hardware/tpm/signature.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import { isObject, JsonNumber, type JsonValue } from '../json/value.ts';
import { readManifest } from '../manifest/read.ts';
import { type Tree, treeOf } from './tree.ts';

/** What a file turned out to be, and what is in it. */
export interface Description {
  /** In plain words, such as `TDX quote`. */
  kind: string;
  tree: Tree;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** A form that a file may have: how it begins, and how it is read. */
interface Form {
  kind: string;
  begins(bytes: Bytes): boolean;
  read(bytes: Bytes): unknown;
}

const beginsWith =
  (...start: number[]) =>
  (bytes: Bytes): boolean =>
    start.every((byte, i) => bytes[i] === byte);

const u16le = (bytes: Bytes, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
const u16be = (bytes: Bytes, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

const TPM_GENERATED = [0xff, 0x54, 0x43, 0x47];

/** In this order: what is told by a magic number comes before what is told by its size. */
const FORMS: readonly Form[] = [
  { kind: 'certificates (PEM)', begins: beginsWith(...textBytes('-----BEGIN')), read: pemBlocks },
  { kind: 'HCL report of an Azure confidential VM', begins: beginsWith(...textBytes('HCLA')), read: parseHcl },
  {
    kind: 'TPMS_ATTEST of a TPM 2.0',
    begins: (bytes) => beginsWith(...TPM_GENERATED)(bytes) || beginsWith(...TPM_GENERATED)(bytes.subarray(2)),
    read: parseAttest,
  },
  { kind: 'TDX quote', begins: (bytes) => u16le(bytes, 4) === 0x81, read: parseQuote },
  { kind: 'SEV-SNP attestation report', begins: (bytes) => bytes.length === 1184, read: parseReport },
  { kind: 'SPDM measurements of an NVIDIA GPU', begins: beginsWith(0x11, 0xe0), read: parseGpuReport },
  {
    kind: 'TDREPORT, which shows nothing away from its machine',
    begins: (bytes) => bytes[0] === 0x81 && bytes.length >= 1024,
    read: tdReportMembers,
  },
  { kind: 'event log', begins: (bytes) => beginsWith(3, 0, 0, 0)(bytes.subarray(4)), read: parseEventLog },
  { kind: 'Agent Manifest (COSE)', begins: (bytes) => [0xd2, 0xd8].includes(bytes[0] ?? 0), read: readManifest },
  { kind: 'certificate', begins: beginsWith(0x30), read: parseCertificate },
  { kind: 'certificate revocation list', begins: beginsWith(0x30), read: parseCrl },
  {
    kind: 'TPMT_SIGNATURE of a TPM 2.0',
    begins: (bytes) => [0x14, 0x16, 0x18].includes(u16be(bytes, 0)),
    read: parseSignature,
  },
  { kind: 'TPMT_PUBLIC of a TPM 2.0', begins: (bytes) => [0x01, 0x23].includes(u16be(bytes, 0)), read: parsePublic },
  { kind: 'JSON', begins: isJsonStart, read: jsonMembers },
];

/**
 * What is in an evidence file, as a tree for a person: certificates, reports, quotes, logs, tokens, collateral, session files. It
 * shows, and verifies nothing. Total: a file of no known form is said to be that, with its first bytes.
 */
export function describeFile(bytes: Bytes): Description {
  const problems: Tree[] = [];
  for (const { kind, begins, read } of FORMS) {
    if (!begins(bytes)) continue;
    try {
      return { kind, tree: treeOf(kind, read(bytes)) };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      problems.push({ name: `not a ${kind}`, value: error.message });
    }
  }
  const kind = 'file of a form that is not known';
  const start = treeOf('first bytes', bytes.subarray(0, 256));
  return {
    kind,
    tree: { name: kind, branches: [{ name: 'size', value: `${bytes.length} bytes` }, ...problems, start] },
  };
}

/** Intel TDX Module ABI, TDREPORT_STRUCT: what a guest is measured as, under the MAC of its own machine. */
function tdReportMembers(bytes: Bytes): unknown {
  const rtmr = Array.from({ length: 4 }, (_, i) => bytes.subarray(0x2d0 + 48 * i, 0x300 + 48 * i));
  return { reportData: bytes.subarray(0x80, 0xc0), mrTd: bytes.subarray(0x210, 0x240), rtmr };
}

function pemBlocks(bytes: Bytes): unknown {
  const blocks = readPem(bytes);
  return blocks.map(({ label, der }) => ({ label, content: label === 'CERTIFICATE' ? parseCertificate(der) : der }));
}

function isJsonStart(bytes: Bytes): boolean {
  const first = bytes.find((byte) => ![0x20, 0x09, 0x0a, 0x0d].includes(byte));
  return first === 0x7b || first === 0x5b;
}

function jsonMembers(bytes: Bytes): unknown {
  try {
    return shown(parseJson(bytes));
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(error.message);
    throw error;
  }
}

/** JSON as members; a text that is a signed token is taken apart. */
function shown(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return value.lexeme;
  if (typeof value === 'string') return tokenParts(value) ?? value;
  if (Array.isArray(value)) return value.map(shown);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)])) : value;
}

/** Header and claims of a compact token (RFC 7519), or null for any other text. */
function tokenParts(text: string): unknown {
  const parts = /^(eyJ[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/.exec(text);
  if (parts === null) return null;
  try {
    const [header, claims] = [parts[1], parts[2]].map((part) =>
      shown(parseJson(decodeUtf8(decodeBase64Url(part ?? '')))),
    );
    return { 'token header': header, 'token claims': claims, 'token signature': parts[3] };
  } catch (error) {
    if (error instanceof EncodingError || error instanceof JsonError) return null;
    throw error;
  }
}

function textBytes(text: string): number[] {
  return [...text].map((char) => char.charCodeAt(0));
}
