import { decodeHex, encodeHex } from '../../bytes/hex.ts';
import type { QeReport } from './parse.ts';
import type { PckPlatform } from './pck.ts';
import type { SvnLevel } from './pcs.ts';
import type { QeIdentity } from './qe-identity.ts';
import type { ModuleIdentity, TcbInfo, VersionedModuleIdentity } from './tcb-info.ts';
import { converge, type TcbFinding } from './tcb-status.ts';
import type { TdReport } from './td-report.ts';

const NOT_SUPPORTED: TcbFinding = { status: 'NotSupported', advisories: [] };

/** Index of the major version of the TDX module among the security version numbers; before it stands the module's own. */
const MODULE_MAJOR = 1;

/**
 * The status of platform and TDX module. In TDX 1.5 the numbers at launch and those of now are both judged: a guest that was
 * launched under an outdated module may have lost its secrets then, whatever the host was updated to.
 */
export function platformStatus(info: TcbInfo, platform: PckPlatform, body: TdReport): TcbFinding {
  const versions = body.teeTcbSvn2 === null ? [body.teeTcbSvn] : [body.teeTcbSvn, body.teeTcbSvn2];
  return converge(versions.flatMap((svn) => [platformLevel(info, platform, svn), moduleLevel(info, svn)]));
}

/** The first level, from new to old, that the platform reaches in all components (PCS API v4, TCB level selection). */
function platformLevel(info: TcbInfo, platform: PckPlatform, teeTcbSvn: Uint8Array): TcbFinding {
  // From major version 1 on, the first two numbers belong to the module, which has levels of its own.
  const firstTdx = (teeTcbSvn[MODULE_MAJOR] ?? 0) > 0 ? 2 : 0;
  const level = info.levels.find(
    ({ sgx, tdx, pceSvn }) =>
      sgx.every((least, i) => (platform.components[i] ?? 0) >= least) &&
      platform.pceSvn >= pceSvn &&
      tdx.every((least, i) => i < firstTdx || (teeTcbSvn[i] ?? 0) >= least),
  );
  return level ?? NOT_SUPPORTED;
}

/** The status of the TDX module: its own from major version 1 on, else it is judged with the platform. */
function moduleLevel(info: TcbInfo, teeTcbSvn: Uint8Array): TcbFinding {
  const [isvSvn = 0, major = 0] = teeTcbSvn;
  if (major === 0) return { status: 'UpToDate', advisories: [] };
  return levelOf(versionedIdentity(info, major)?.levels ?? [], isvSvn);
}

/** The status of the quoting enclave. */
export function qeStatus(identity: QeIdentity, report: QeReport): TcbFinding {
  return levelOf(identity.levels, report.isvSvn);
}

/** Levels are listed from new to old. */
function levelOf(levels: readonly SvnLevel[], isvSvn: number): TcbFinding {
  return levels.find((level) => isvSvn >= level.isvSvn) ?? NOT_SUPPORTED;
}

/** What is wrong with signer and attributes of the TDX module, at launch and now, or null. */
export function moduleProblem(info: TcbInfo, body: TdReport): string | null {
  const majors = [body.teeTcbSvn, body.teeTcbSvn2 ?? body.teeTcbSvn].map((svn) => svn[MODULE_MAJOR] ?? 0);
  for (const major of new Set(majors)) {
    const identity = major === 0 ? info.module : versionedIdentity(info, major);
    if (identity === undefined) return `the TCB info does not know a TDX module of major version ${major}`;
    const problem = identityProblem(identity, body);
    if (problem !== null) return problem;
  }
  return null;
}

function versionedIdentity(info: TcbInfo, major: number): VersionedModuleIdentity | undefined {
  const id = `TDX_${major.toString(16).padStart(2, '0').toUpperCase()}`;
  return info.moduleIdentities.find((each) => each.id === id);
}

function identityProblem(identity: ModuleIdentity, body: TdReport): string | null {
  if (body.mrSignerSeam !== identity.mrSigner) return 'the signer of the TDX module is not the one in the TCB info';
  const masked = maskedEqual(body.seamAttributes, identity.attributes, identity.attributesMask);
  return masked ? null : 'the attributes of the TDX module are not those in the TCB info';
}

/** What is wrong with the quoting enclave when compared with its identity, or null. Its security version is judged apart. */
export function qeProblem(identity: QeIdentity, report: QeReport): string | null {
  if (report.mrSigner !== identity.mrSigner) return 'the signer of the quoting enclave is not the one in its identity';
  if (report.isvProdId !== identity.isvProdId)
    return 'the product of the quoting enclave is not the one in its identity';
  if (!maskedEqual(report.miscSelect, identity.miscSelect, identity.miscSelectMask)) {
    return 'MISCSELECT of the quoting enclave is not the one in its identity';
  }
  const attributes = maskedEqual(report.attributes, identity.attributes, identity.attributesMask);
  return attributes ? null : 'the attributes of the quoting enclave are not those in its identity';
}

/** Whether the bits of `found` that `mask` selects are `wanted`. All three are hex of the same length. */
function maskedEqual(found: string, wanted: string, mask: string): boolean {
  const selected = decodeHex(mask).map((bits, i) => bits & (decodeHex(found)[i] ?? 0));
  return encodeHex(selected) === wanted;
}
