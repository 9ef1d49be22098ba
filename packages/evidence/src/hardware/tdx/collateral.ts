import { decodeHex } from '../../bytes/hex.ts';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { FormatError } from '../../format-error.ts';
import { object, type Rule, text } from '../../shape.ts';
import { fileOf, type Reading, reading } from '../files.ts';
import type { EvidenceFiles } from '../given.ts';
import { parseStrictly, readSignedJson, type SignedJson, signedJson } from './signed-json.ts';

/** Roles of what Intel says of a platform, and of the chain of its quote where that is beside it. */
export const COLLATERAL_ROLES: readonly string[] = [
  'pck_chain',
  'tcb_info',
  'tcb_chain',
  'qe_identity',
  'qe_chain',
  'pck_crl',
  'root_crl',
  'pck_crl_chain',
  'collateral',
];

/** What others than the machine say about its TCB: endorsements of Intel. What was not supplied is null or undefined. */
export interface Collateral {
  tcbInfo: Reading<SignedJson> | null;
  tcbChain: Uint8Array<ArrayBuffer> | undefined;
  qeIdentity: Reading<SignedJson> | null;
  qeChain: Uint8Array<ArrayBuffer> | undefined;
  pckCrl: Uint8Array<ArrayBuffer> | undefined;
  rootCrl: Uint8Array<ArrayBuffer> | undefined;
  pckCrlChain: Uint8Array<ArrayBuffer> | undefined;
}

/** A bundle as quoting services hand it out: everything as text, CRLs as hex. */
interface Bundle {
  tcb_info?: string;
  tcb_info_signature?: string;
  tcb_info_issuer_chain?: string;
  qe_identity?: string;
  qe_identity_signature?: string;
  qe_identity_issuer_chain?: string;
  pck_crl?: string;
  root_ca_crl?: string;
  pck_crl_issuer_chain?: string;
}

const HEX = text(/^(?:[0-9a-fA-F]{2})*$/);
const BUNDLE: Rule = object(
  {},
  {
    tcb_info: text(),
    tcb_info_signature: text(),
    tcb_info_issuer_chain: text(),
    qe_identity: text(),
    qe_identity_signature: text(),
    qe_identity_issuer_chain: text(),
    pck_crl: HEX,
    root_ca_crl: HEX,
    pck_crl_issuer_chain: text(),
  },
  'allowed',
);

/** The collateral among the files: each part from its own role, or else from the bundle, with what is wrong with the bundle. */
export function collateralOf(files: EvidenceFiles): { collateral: Collateral; problem: string | null } {
  const file = fileOf(files, 'collateral');
  const read = file === undefined ? null : reading(() => readBundle(file));
  const bundle = read?.value ?? {};
  const part = (role: string, other: string | undefined, decode: (text: string) => Uint8Array<ArrayBuffer>) =>
    fileOf(files, role) ?? (other === undefined ? undefined : decode(other));
  const crl = (hex: string): Uint8Array<ArrayBuffer> => decodeHex(hex.toLowerCase());
  const collateral = {
    tcbInfo: signedPart(fileOf(files, 'tcb_info'), 'tcbInfo', bundle.tcb_info, bundle.tcb_info_signature),
    tcbChain: part('tcb_chain', bundle.tcb_info_issuer_chain, encodeUtf8),
    qeIdentity: signedPart(
      fileOf(files, 'qe_identity'),
      'enclaveIdentity',
      bundle.qe_identity,
      bundle.qe_identity_signature,
    ),
    qeChain: part('qe_chain', bundle.qe_identity_issuer_chain, encodeUtf8),
    pckCrl: part('pck_crl', bundle.pck_crl, crl),
    rootCrl: part('root_crl', bundle.root_ca_crl, crl),
    pckCrlChain: part('pck_crl_chain', bundle.pck_crl_issuer_chain, encodeUtf8),
  };
  return { collateral, problem: read?.problem ?? null };
}

function signedPart(
  file: Uint8Array<ArrayBuffer> | undefined,
  member: 'tcbInfo' | 'enclaveIdentity',
  body: string | undefined,
  signature: string | undefined,
): Reading<SignedJson> | null {
  if (file !== undefined) return reading(() => readSignedJson(file, member));
  return body === undefined ? null : reading(() => signedJson(body, signature ?? ''));
}

function readBundle(bytes: Uint8Array<ArrayBuffer>): Bundle {
  const value = parseStrictly(bytes, 'collateral');
  const problem = BUNDLE(value, 'collateral');
  if (problem !== null) throw new FormatError(problem);
  return value as Bundle;
}
