import { FormatError } from '../../format-error.ts';
import { integer, list, text } from '../../shape.ts';
import {
  hexOf,
  LEVEL,
  moment,
  open,
  readSvnLevel,
  readValidity,
  refuseOtherDocument,
  type SvnLevel,
  svnLevel,
  type Validity,
  type WireLevel,
  type WireSvnLevel,
} from './pcs.ts';
import { parseStrictly } from './signed-json.ts';
import type { TcbFinding } from './tcb-status.ts';

/** Which TDX module Intel speaks of: signer and attributes, hex. */
export interface ModuleIdentity {
  mrSigner: string;
  attributes: string;
  attributesMask: string;
}

/** The TDX module of one major version, with its levels from new to old. */
export interface VersionedModuleIdentity extends ModuleIdentity {
  /** `TDX_` and the major version, two hex digits. */
  id: string;
  levels: readonly SvnLevel[];
}

/** A platform that reports at least these security versions has this status. */
export interface PlatformLevel extends TcbFinding {
  sgx: readonly number[];
  tdx: readonly number[];
  pceSvn: number;
}

/** What Intel says of all platforms of one FMSPC (PCS API v4, TCB info version 3 for TDX). */
export interface TcbInfo {
  validity: Validity;
  fmspc: string;
  pceId: string;
  evaluationDataNumber: number;
  module: ModuleIdentity;
  moduleIdentities: readonly VersionedModuleIdentity[];
  levels: readonly PlatformLevel[];
}

const COMPONENTS = 16;

const COMPONENT_LIST = list(open({ svn: integer(0) }));

const PLATFORM_LEVEL = open(
  {
    tcb: open({ sgxtcbcomponents: COMPONENT_LIST, pcesvn: integer(0), tdxtcbcomponents: COMPONENT_LIST }),
    ...LEVEL.needed,
  },
  LEVEL.optional,
);

const MODULE = { mrsigner: hexOf(48), attributes: hexOf(8), attributesMask: hexOf(8) };

const TCB_INFO = open(
  {
    issueDate: moment,
    nextUpdate: moment,
    fmspc: hexOf(6),
    pceId: hexOf(2),
    tcbType: integer(0),
    tcbEvaluationDataNumber: integer(0),
    tdxModule: open(MODULE),
    tcbLevels: list(PLATFORM_LEVEL),
  },
  { tdxModuleIdentities: list(open({ id: text(/^TDX_[0-9a-fA-F]{2}$/), ...MODULE, tcbLevels: list(svnLevel) })) },
);

interface WirePlatformLevel extends WireLevel {
  tcb: { sgxtcbcomponents: { svn: number }[]; pcesvn: number; tdxtcbcomponents: { svn: number }[] };
}
interface WireModule {
  mrsigner: string;
  attributes: string;
  attributesMask: string;
}
interface WireTcbInfo {
  issueDate: string;
  nextUpdate: string;
  fmspc: string;
  pceId: string;
  tcbType: number;
  tcbEvaluationDataNumber: number;
  tdxModule: WireModule;
  tdxModuleIdentities?: (WireModule & { id: string; tcbLevels: WireSvnLevel[] })[];
  tcbLevels: WirePlatformLevel[];
}

/**
 * Reads the body of a TCB info.
 *
 * @param body the text that Intel signed
 * @throws FormatError for anything but TCB info version 3 for TDX
 */
export function parseTcbInfo(body: Uint8Array): TcbInfo {
  const value = parseStrictly(body, 'TCB info');
  refuseOtherDocument(value, 'TCB info', 'TDX', 3);
  const problem = TCB_INFO(value, 'tcbInfo');
  if (problem !== null) throw new FormatError(problem);
  const wire = value as unknown as WireTcbInfo;
  if (wire.tcbType !== 0) throw new FormatError(`TCB info: TCB type ${wire.tcbType} is not known`);
  return {
    validity: readValidity(wire),
    fmspc: wire.fmspc.toLowerCase(),
    pceId: wire.pceId.toLowerCase(),
    evaluationDataNumber: wire.tcbEvaluationDataNumber,
    module: readModule(wire.tdxModule),
    moduleIdentities: (wire.tdxModuleIdentities ?? []).map((each) => ({
      id: each.id.toUpperCase(),
      ...readModule(each),
      levels: each.tcbLevels.map(readSvnLevel),
    })),
    levels: wire.tcbLevels.map(readPlatformLevel),
  };
}

function readModule({ mrsigner, attributes, attributesMask }: WireModule): ModuleIdentity {
  return {
    mrSigner: mrsigner.toLowerCase(),
    attributes: attributes.toLowerCase(),
    attributesMask: attributesMask.toLowerCase(),
  };
}

function readPlatformLevel({ tcb, tcbStatus, advisoryIDs }: WirePlatformLevel): PlatformLevel {
  return {
    sgx: components(tcb.sgxtcbcomponents),
    tdx: components(tcb.tdxtcbcomponents),
    pceSvn: tcb.pcesvn,
    status: tcbStatus,
    advisories: advisoryIDs ?? [],
  };
}

function components(wire: readonly { svn: number }[]): number[] {
  if (wire.length !== COMPONENTS) throw new FormatError(`TCB info: a level has ${wire.length} components, not 16`);
  return wire.map((component) => component.svn);
}
