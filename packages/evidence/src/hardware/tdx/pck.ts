import { encodeHex } from '../../bytes/hex.ts';
import { type DerNode, readDer, TAG } from '../../crypto/der.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { FormatError } from '../../format-error.ts';

/** The extension that makes a certificate a PCK certificate (Intel SGX PCK certificate profile). */
export const SGX_EXTENSION = '1.2.840.113741.1.13.1';

const WHAT = 'SGX extension of the PCK certificate';
const TCB = `${SGX_EXTENSION}.2`;
const PCE_ID = `${SGX_EXTENSION}.3`;
const FMSPC = `${SGX_EXTENSION}.4`;
const PCE_SVN = `${TCB}.17`;
const CPU_SVN = `${TCB}.18`;
const COMPONENTS = 16;

/** What Intel certifies about a platform in its PCK certificate. */
export interface PckPlatform {
  /** Family, model, stepping, platform type and custom SKU: names the TCB info that applies; hex. */
  fmspc: string;
  pceId: string;
  cpuSvn: string;
  pceSvn: number;
  /** Security version numbers of the 16 components of the SGX TCB. */
  components: readonly number[];
}

/**
 * Reads what a PCK certificate says of its platform.
 *
 * @throws FormatError when the certificate has no such extension (it is no PCK certificate), or a malformed one
 */
export function readPckPlatform(certificate: Certificate): PckPlatform {
  const extension = certificate.extensions.get(SGX_EXTENSION);
  if (extension === undefined) throw new FormatError('the certificate has no SGX extension: it is no PCK certificate');
  const fields = readFields(readDer(extension.value, WHAT));
  const tcb = readFields(need(fields, TCB));
  const components: number[] = [];
  for (let i = 1; i <= COMPONENTS; i++) components.push(svn(tcb, `${TCB}.${i}`, 0xff));
  return {
    fmspc: octets(fields, FMSPC, 6),
    pceId: octets(fields, PCE_ID, 2),
    cpuSvn: octets(tcb, CPU_SVN, 16),
    pceSvn: svn(tcb, PCE_SVN, 0xffff),
    components,
  };
}

/** A sequence of pairs of name and value. */
function readFields(node: DerNode): Map<string, DerNode> {
  const fields = new Map<string, DerNode>();
  for (const pair of node.children(TAG.sequence)) {
    const [name, value, more] = pair.children(TAG.sequence);
    if (name === undefined || value === undefined || more !== undefined) {
      throw new FormatError(`${WHAT}: a field is not a pair of name and value`);
    }
    const oid = name.oid();
    if (fields.has(oid)) throw new FormatError(`${WHAT}: field ${oid} is there twice`);
    fields.set(oid, value);
  }
  return fields;
}

function need(fields: ReadonlyMap<string, DerNode>, oid: string): DerNode {
  const value = fields.get(oid);
  if (value === undefined) throw new FormatError(`${WHAT}: field ${oid} is missing`);
  return value;
}

function octets(fields: ReadonlyMap<string, DerNode>, oid: string, length: number): string {
  const bytes = need(fields, oid).octetString();
  if (bytes.length !== length) throw new FormatError(`${WHAT}: field ${oid} has ${bytes.length} bytes, not ${length}`);
  return encodeHex(bytes);
}

function svn(fields: ReadonlyMap<string, DerNode>, oid: string, most: number): number {
  const value = need(fields, oid).integer();
  if (value < 0n || value > BigInt(most)) throw new FormatError(`${WHAT}: field ${oid} is not between 0 and ${most}`);
  return Number(value);
}
