import { encodeHex } from '@cmcp/evidence';
import { TsmError } from './error.ts';

/** What a host may put into the table. */
const NAMES = ['vcek', 'vlek', 'ask', 'ark'] as const;
type Name = (typeof NAMES)[number];

/** Certificates that the host supplied, PEM or DER: nothing of them is checked. `ask` is the ASVK where the key is a VLEK. */
export type CertificateTable = Readonly<Partial<Record<Name, Uint8Array<ArrayBuffer>>>>;

/** GUIDs of the table (GHCB specification, 56421, SNP Extended Guest Request), the digits in the order of their bytes. */
const GUIDS: ReadonlyMap<string, Name> = new Map([
  ['63da758de6644564adc5f4b93be8accd', 'vcek'],
  ['a8074bc2a25a483eaae639c045a0b8a1', 'vlek'],
  ['4ab7b379bbac4fe4a02f05aef327c782', 'ask'],
  ['c0b406a4a803495297433fb6014cd0ae', 'ark'],
]);

const ROW = 24;
const MOST_ROWS = 64;

/**
 * Reads the table of GUID, offset and length that a host puts before the certificates, in `auxblob` of a SEV-SNP guest. Strict: a row
 * that points outside of the blob or into the rows, a second certificate of one kind and a table without an end are refused. Rows of
 * other kinds are passed over, for clouds add their own. An empty blob, or one of zeros, is a host that supplies nothing.
 *
 * @throws TsmError `malformed`
 */
export function parseCertificateTable(blob: Uint8Array<ArrayBuffer>): CertificateTable {
  if (blob.every((byte) => byte === 0)) return {};
  const rows = readRows(blob);
  const table: Partial<Record<Name, Uint8Array<ArrayBuffer>>> = {};
  for (const { guid, offset, length } of rows.entries) {
    if (offset < rows.end || length === 0 || offset + length > blob.length) {
      throw malformed(`the row ${guid} points to no certificate`);
    }
    const name = GUIDS.get(guid);
    if (name === undefined) continue;
    if (table[name] !== undefined) throw malformed(`it has two rows for ${name.toUpperCase()}`);
    table[name] = blob.slice(offset, offset + length);
  }
  return table;
}

interface Row {
  guid: string;
  offset: number;
  length: number;
}

/** The rows up to the one of zeros that ends them, and where that ends. */
function readRows(blob: Uint8Array<ArrayBuffer>): { entries: Row[]; end: number } {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const entries: Row[] = [];
  for (let at = 0; at + ROW <= blob.length && entries.length < MOST_ROWS; at += ROW) {
    const row = blob.subarray(at, at + ROW);
    if (row.every((byte) => byte === 0)) return { entries, end: at + ROW };
    const [offset, length] = [view.getUint32(at + 16, true), view.getUint32(at + 20, true)];
    entries.push({ guid: encodeHex(row.subarray(0, 16)), offset, length });
  }
  throw malformed('its rows have no end');
}

function malformed(what: string): TsmError {
  return new TsmError('malformed', `the certificate table of the host cannot be read: ${what}`);
}
