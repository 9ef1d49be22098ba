import { parseCrl, readCrl } from '../crypto/crl.ts';
import { parseSpki } from '../crypto/key.ts';
import { readPem } from '../crypto/pem.ts';
import { parseCertificate, readCertificates } from '../crypto/x509.ts';
import { FormatError } from '../format-error.ts';
import { parseHcl } from '../hardware/azure-cvm/parse.ts';
import { parseEventLog } from '../hardware/event-log/parse.ts';
import { parseGpuReport } from '../hardware/nvidia/parse.ts';
import { parseReport } from '../hardware/sev-snp/parse.ts';
import { parseQuote } from '../hardware/tdx/parse.ts';
import { parseAttest } from '../hardware/tpm/parse.ts';
import { parsePublic } from '../hardware/tpm/public-area.ts';
import { parseSignature } from '../hardware/tpm/signature.ts';
import { readManifest } from '../manifest/read.ts';
import { eventTypeText } from './event-type.ts';
import { hexMembers, isHexText } from './hex-text.ts';
import { beginsAsJsonLines, jsonLines } from './json-lines.ts';
import { jsonMembers, type ShowBytes } from './json-members.ts';
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
  /** @param show for bytes in the file that may be a file of a form themselves */
  read(bytes: Bytes, show: ShowBytes): unknown;
}

const beginsWith =
  (...start: number[]) =>
  (bytes: Bytes): boolean =>
    start.every((byte, i) => bytes[i] === byte);

const u16le = (bytes: Bytes, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
const u16be = (bytes: Bytes, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

const PEM = '-----BEGIN ';
/** What an SGX quote begins with: its header, and the report of an enclave. */
const SGX_QUOTE_MIN = 48 + 384;
/** Version 3; the key is ECDSA over P-256 or P-384; the TEE is SGX. An SNP report of version 3 has zeros where the key is. */
const SGX_STARTS = [2, 3].map((key) => [3, 0, key, 0, 0, 0, 0, 0]);
const TPM_GENERATED = [0xff, 0x54, 0x43, 0x47];

/** In this order: what is told by a magic number comes before what is told by its size. */
const FORMS: readonly Form[] = [
  { kind: 'public key (PEM)', begins: beginsWith(...textBytes(`${PEM}PUBLIC KEY-`)), read: pemKey },
  { kind: 'certificates (PEM)', begins: beginsWith(...textBytes(`${PEM}CERTIFICATE-`)), read: readCertificates },
  { kind: 'certificate revocation list (PEM)', begins: beginsWith(...textBytes(`${PEM}X509 CRL-`)), read: readCrl },
  { kind: 'PEM blocks', begins: beginsWith(...textBytes(PEM)), read: readPem },
  { kind: 'hexadecimal text', begins: isHexText, read: hexMembers },
  { kind: 'HCL report of an Azure confidential VM', begins: beginsWith(...textBytes('HCLA')), read: parseHcl },
  {
    kind: 'TPMS_ATTEST of a TPM 2.0',
    begins: (bytes) => beginsWith(...TPM_GENERATED)(bytes) || beginsWith(...TPM_GENERATED)(bytes.subarray(2)),
    read: parseAttest,
  },
  { kind: 'TDX quote', begins: (bytes) => u16le(bytes, 4) === 0x81, read: parseQuote },
  {
    kind: 'SGX quote, which is not TDX evidence',
    begins: (bytes) => bytes.length >= SGX_QUOTE_MIN && SGX_STARTS.some((start) => beginsWith(...start)(bytes)),
    read: () => ({ version: 3, teeType: 'SGX (0)' }),
  },
  { kind: 'SEV-SNP attestation report', begins: (bytes) => bytes.length === 1184, read: parseReport },
  { kind: 'SPDM measurements of an NVIDIA GPU', begins: beginsWith(0x11, 0xe0), read: parseGpuReport },
  {
    kind: 'TDREPORT, which shows nothing away from its machine',
    begins: (bytes) => bytes[0] === 0x81 && bytes.length >= 1024,
    read: tdReportMembers,
  },
  { kind: 'event log', begins: (bytes) => beginsWith(3, 0, 0, 0)(bytes.subarray(4)), read: eventLogMembers },
  { kind: 'Agent Manifest (COSE)', begins: (bytes) => [0xd2, 0xd8].includes(bytes[0] ?? 0), read: readManifest },
  { kind: 'certificate', begins: beginsWith(0x30), read: parseCertificate },
  { kind: 'certificate revocation list', begins: beginsWith(0x30), read: parseCrl },
  {
    kind: 'TPMT_SIGNATURE of a TPM 2.0',
    begins: (bytes) => [0x14, 0x16, 0x18].includes(u16be(bytes, 0)),
    read: parseSignature,
  },
  { kind: 'TPMT_PUBLIC of a TPM 2.0', begins: (bytes) => [0x01, 0x23].includes(u16be(bytes, 0)), read: parsePublic },
  { kind: 'JSON, an object to a line', begins: beginsAsJsonLines, read: jsonLines },
  { kind: 'JSON', begins: isJsonStart, read: jsonMembers },
];

/**
 * What is in an evidence file, as a tree for a person: certificates, reports, quotes, logs, tokens, collateral, session files. It
 * shows, and verifies nothing. Total: a file of no known form is said to be that, with its first bytes.
 */
export function describeFile(bytes: Bytes): Description {
  const { kind, members } = readFile(bytes, (inner) => {
    const found = readFile(inner, (innermost) => innermost);
    return { [found.kind]: found.members };
  });
  return { kind, tree: treeOf(kind, members) };
}

function readFile(bytes: Bytes, show: ShowBytes): { kind: string; members: unknown } {
  const problems: [string, string][] = [];
  for (const { kind, begins, read } of FORMS) {
    if (!begins(bytes)) continue;
    try {
      return { kind, members: read(bytes, show) };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      problems.push([`is not read as: ${kind}`, error.message]);
    }
  }
  const members = new Map<string, unknown>([
    ['size', `${bytes.length} bytes`],
    ...problems,
    ['first bytes', bytes.subarray(0, 256)],
  ]);
  return { kind: 'file of a form that is not known', members };
}

function eventLogMembers(bytes: Bytes): unknown {
  const log = parseEventLog(bytes);
  return { ...log, events: log.events.map((event) => ({ ...event, type: eventTypeText(event.type) })) };
}

/** Intel TDX Module ABI, TDREPORT_STRUCT: what a guest is measured as, under the MAC of its own machine. */
function tdReportMembers(bytes: Bytes): unknown {
  const rtmr = Array.from({ length: 4 }, (_, i) => bytes.subarray(0x2d0 + 48 * i, 0x300 + 48 * i));
  return { reportData: bytes.subarray(0x80, 0xc0), mrTd: bytes.subarray(0x210, 0x240), rtmr };
}

function pemKey(bytes: Bytes): unknown {
  const [block, ...more] = readPem(bytes);
  if (block?.label !== 'PUBLIC KEY' || more.length > 0) throw new FormatError('PEM: it is not one public key');
  return parseSpki(block.der);
}

function isJsonStart(bytes: Bytes): boolean {
  const first = bytes.find((byte) => ![0x20, 0x09, 0x0a, 0x0d].includes(byte));
  return first === 0x7b || first === 0x5b;
}

function textBytes(text: string): number[] {
  return [...text].map((char) => char.charCodeAt(0));
}
