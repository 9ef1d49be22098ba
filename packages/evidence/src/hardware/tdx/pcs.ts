import { FormatError } from '../../format-error.ts';
import type { JsonValue } from '../../json/value.ts';
import { integer, list, object, oneOf, type Rule, text } from '../../shape.ts';
import { parseTimestamp } from '../../time.ts';
import { TCB_STATUSES, type TcbFinding, type TcbStatus } from './tcb-status.ts';

// What TCB info and QE identity have in common: documents of Intel's provisioning certification service (PCS API v4).

/** From when and until when the issuer stands by a document, seconds since the epoch. */
export interface Validity {
  issued: number;
  nextUpdate: number;
}

/** A module or enclave that reports at least this security version has this status. */
export interface SvnLevel extends TcbFinding {
  isvSvn: number;
}

/** Hex of so many bytes. Intel writes capitals in some documents and small letters in others. */
export function hexOf(bytes: number): Rule {
  return text(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`));
}

/** A moment as Intel writes it, to the second, in UTC. */
export const moment: Rule = text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

/** An object that may have members which say nothing about status. */
export const open = (needed: Record<string, Rule>, optional: Record<string, Rule> = {}): Rule =>
  object(needed, optional, 'allowed');

const STATUS = oneOf(...TCB_STATUSES);
const ADVISORIES = list(text(/^[ -~]{1,100}$/));

/** Status and advisories of a level. */
export const LEVEL = { needed: { tcbStatus: STATUS }, optional: { advisoryIDs: ADVISORIES } };

/** A level of a module or enclave. */
export const svnLevel: Rule = open({ tcb: open({ isvsvn: integer(0) }), ...LEVEL.needed }, LEVEL.optional);

/** Status and advisories of a level, as Intel writes them. */
export interface WireLevel {
  tcbStatus: TcbStatus;
  advisoryIDs?: string[];
}

/** A level of a module or enclave, as Intel writes it. */
export interface WireSvnLevel extends WireLevel {
  tcb: { isvsvn: number };
}

/** @throws FormatError unless `value` says that it is the document `id` of this version */
export function refuseOtherDocument(value: JsonValue, what: string, id: string, version: number): void {
  const problem = open({ id: text(/^[ -~]{0,40}$/), version: integer(0) })(value, what);
  if (problem !== null) throw new FormatError(problem);
  const found = value as { id: string; version: number };
  if (found.id === id && found.version === version) return;
  throw new FormatError(
    `${what} is for ${found.id} (version ${found.version}), where ${id} version ${version} is needed`,
  );
}

/** @throws FormatError for a date that does not exist */
export function readValidity(wire: { issueDate: string; nextUpdate: string }): Validity {
  return { issued: seconds(wire.issueDate), nextUpdate: seconds(wire.nextUpdate) };
}

function seconds(moment: string): number {
  const micros = parseTimestamp(moment);
  if (micros === null) throw new FormatError(`${moment} is not a date`);
  return micros / 1_000_000;
}

/** A level of a module or enclave, from the wire. */
export function readSvnLevel(level: WireSvnLevel): SvnLevel {
  return { isvSvn: level.tcb.isvsvn, status: level.tcbStatus, advisories: level.advisoryIDs ?? [] };
}
