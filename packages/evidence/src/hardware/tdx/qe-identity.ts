import { FormatError } from '../../format-error.ts';
import { integer, list } from '../../shape.ts';
import {
  hexOf,
  moment,
  open,
  readSvnLevel,
  readValidity,
  refuseOtherDocument,
  type SvnLevel,
  svnLevel,
  type Validity,
  type WireSvnLevel,
} from './pcs.ts';
import { parseStrictly } from './signed-json.ts';

/** What Intel says of its quoting enclave for TDX (PCS API v4, enclave identity version 2, TD_QE). Hex is lower case. */
export interface QeIdentity {
  validity: Validity;
  evaluationDataNumber: number;
  mrSigner: string;
  isvProdId: number;
  miscSelect: string;
  miscSelectMask: string;
  attributes: string;
  attributesMask: string;
  levels: readonly SvnLevel[];
}

const QE_IDENTITY = open({
  issueDate: moment,
  nextUpdate: moment,
  tcbEvaluationDataNumber: integer(0),
  miscselect: hexOf(4),
  miscselectMask: hexOf(4),
  attributes: hexOf(16),
  attributesMask: hexOf(16),
  mrsigner: hexOf(32),
  isvprodid: integer(0),
  tcbLevels: list(svnLevel),
});

interface WireQeIdentity {
  issueDate: string;
  nextUpdate: string;
  tcbEvaluationDataNumber: number;
  miscselect: string;
  miscselectMask: string;
  attributes: string;
  attributesMask: string;
  mrsigner: string;
  isvprodid: number;
  tcbLevels: WireSvnLevel[];
}

/**
 * Reads the body of an enclave identity.
 *
 * @param body the text that Intel signed
 * @throws FormatError for anything but the identity, version 2, of the quoting enclave for TDX
 */
export function parseQeIdentity(body: Uint8Array): QeIdentity {
  const value = parseStrictly(body, 'QE identity');
  refuseOtherDocument(value, 'QE identity', 'TD_QE', 2);
  const problem = QE_IDENTITY(value, 'enclaveIdentity');
  if (problem !== null) throw new FormatError(problem);
  const wire = value as unknown as WireQeIdentity;
  return {
    validity: readValidity(wire),
    evaluationDataNumber: wire.tcbEvaluationDataNumber,
    mrSigner: wire.mrsigner.toLowerCase(),
    isvProdId: wire.isvprodid,
    miscSelect: wire.miscselect.toLowerCase(),
    miscSelectMask: wire.miscselectMask.toLowerCase(),
    attributes: wire.attributes.toLowerCase(),
    attributesMask: wire.attributesMask.toLowerCase(),
    levels: wire.tcbLevels.map(readSvnLevel),
  };
}
