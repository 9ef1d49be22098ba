import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  EVIDENCE_KINDS,
  type EvidenceFiles,
  type EvidenceKind,
  type EvidenceVerdict,
  isObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  member,
  parseJson,
  type TrustAnchor,
  VENDOR_ANCHORS,
  verifyEvidence,
} from '@cmcp/evidence';
import { explain } from '../failure.ts';
import { RefusedError, UsageError } from '../io.ts';
import { rfc3339 } from '../time.ts';
import { PURPOSES } from './given.ts';
import { readRootFolder, readRoots } from './roots.ts';

/** One case of a manifest of evidence, with what its author expects of a verifier. */
export interface EvidenceCase {
  id: string;
  kind: EvidenceKind;
  /** Role to path, absolute. */
  files: ReadonlyMap<string, string>;
  /** Seconds since the epoch. */
  at: number;
  /** null: not compared. */
  expect: { authentic: boolean | null; acceptable: boolean | null };
  /** The only roots to trust: a file or a folder of certificates; null: those that ship with the package. */
  root: string | null;
  /** On whose word the evidence is to be trusted; null: the manifest does not say. */
  trust: Trust | null;
}

/** `vendor`: the root. `test-root`: the role test_root only. `ak-public`: the role ak is itself the pin. `no-key`: nothing. */
const TRUST = ['vendor', 'test-root', 'ak-public', 'no-key'] as const;
type Trust = (typeof TRUST)[number];

/** What came out of a case. */
export interface CaseResult {
  id: string;
  kind: EvidenceKind;
  expect: EvidenceCase['expect'];
  /** null: the case could not be run, and `problem` says why. */
  verdict: EvidenceVerdict | null;
  problem?: string;
  /** Whether the case was run, and every verdict that is compared is the expected one. */
  agrees: boolean;
}

/**
 * Reads a manifest of cases: a JSON array in the form of docs/verifying.md. Paths are relative to the folder of the manifest.
 * @throws RefusedError that names the case and what is wrong with it
 */
export async function readCases(manifest: string): Promise<EvidenceCase[]> {
  const folder = dirname(resolve(manifest));
  const value = parse(await readFile(manifest), manifest);
  if (!Array.isArray(value) || value.length === 0) throw new RefusedError(`${manifest} is not a list of cases`);
  return value.map((item, i) => readCase(item, `${manifest}: case ${i}`, folder));
}

function readCase(item: JsonValue, where: string, folder: string): EvidenceCase {
  if (!isObject(item)) throw new RefusedError(`${where} is not an object`);
  const id = textMember(item, 'id', where);
  const said = `${where} (${id})`;
  const kind = EVIDENCE_KINDS.find((name) => name === member(item, 'kind'));
  if (kind === undefined) throw new RefusedError(`${said}: kind is not one of ${EVIDENCE_KINDS.join(', ')}`);
  const params = objectMember(item, 'params', said);
  const root = member(params, 'root') ?? null;
  if (root !== null && typeof root !== 'string') throw new RefusedError(`${said}: params.root is not a path`);
  if (member(item, 'expect') === undefined) throw new RefusedError(`${said}: expect is missing`);
  return {
    id,
    kind,
    files: filesOf(objectMember(item, 'files', said), said, folder),
    at: timeOf(textMember(item, 'at', said), said),
    expect: expectationOf(objectMember(item, 'expect', said), said),
    root: root === null ? null : resolve(folder, root),
    trust: trustOf(params, said),
  };
}

function trustOf(params: JsonObject, said: string): Trust | null {
  const value = member(params, 'trust');
  const trust = TRUST.find((name) => name === value) ?? null;
  if (value !== undefined && trust === null)
    throw new RefusedError(`${said}: params.trust is not one of ${TRUST.join(', ')}`);
  return trust;
}

function timeOf(text: string, said: string): number {
  try {
    return rfc3339(text) ?? 0;
  } catch (error) {
    if (error instanceof UsageError) throw new RefusedError(`${said}: at is not an RFC 3339 time with its zone`);
    throw error;
  }
}

function filesOf(files: JsonObject, said: string, folder: string): Map<string, string> {
  const paths = Object.entries(files).map(([role, path]): [string, string] => {
    if (typeof path !== 'string') throw new RefusedError(`${said}: files.${role} is not a path`);
    return [role, resolve(folder, path)];
  });
  return new Map(paths);
}

function expectationOf(expect: JsonObject, said: string): EvidenceCase['expect'] {
  const verdict = (name: string): boolean | null => {
    const value = member(expect, name) ?? null;
    if (value !== null && typeof value !== 'boolean')
      throw new RefusedError(`${said}: expect.${name} is not true, false or null`);
    return value;
  };
  return { authentic: verdict('authentic'), acceptable: verdict('acceptable') };
}

/** Verifies the evidence of one case, under its own clock and roots. A case whose files cannot be read is a result too. */
export async function runCase(one: EvidenceCase): Promise<CaseResult> {
  const { id, kind, expect } = one;
  try {
    const verdict = await verifyEvidence(kind, await filesFor(one), { at: one.at, anchors: await anchorsOf(one) });
    const same = (expected: boolean | null, found: boolean | null): boolean => expected === null || expected === found;
    const agrees = same(expect.authentic, verdict.authentic) && same(expect.acceptable, verdict.acceptable);
    return { id, kind, expect, verdict, agrees };
  } catch (error) {
    const unread = error instanceof RefusedError || (error instanceof Error && 'syscall' in error);
    if (!unread) throw error;
    return { id, kind, expect, verdict: null, problem: (await explain(error)).text, agrees: false };
  }
}

/** The files of a case, without those that its trust does not let speak: a root or a key that comes along is no pin by that. */
async function filesFor({ kind, files, trust }: EvidenceCase): Promise<EvidenceFiles> {
  const silent = new Set<string>();
  if (trust !== null && trust !== 'test-root') silent.add('test_root');
  if (trust !== null && trust !== 'ak-public' && kind === 'tpm' && !files.has('ak_chain')) silent.add('ak');
  const read = await Promise.all(
    [...files]
      .filter(([role]) => !silent.has(role))
      .map(async ([role, path]) => [role, new Uint8Array(await readFile(path))] as const),
  );
  return Object.fromEntries(read);
}

async function anchorsOf({ root, trust, kind }: EvidenceCase): Promise<readonly TrustAnchor[]> {
  if (root === null) return trust === null || trust === 'vendor' ? VENDOR_ANCHORS : [];
  const folder = (await stat(root)).isDirectory();
  return (folder ? readRootFolder : readRoots)(root, PURPOSES[kind]);
}

function textMember(object: JsonObject, name: string, where: string): string {
  const value = member(object, name);
  if (typeof value !== 'string') throw new RefusedError(`${where}: ${name} is missing or not a text`);
  return value;
}

/** The member, or an object without members where it is absent. */
function objectMember(object: JsonObject, name: string, where: string): JsonObject {
  const value = member(object, name) ?? {};
  if (!isObject(value)) throw new RefusedError(`${where}: ${name} is not an object`);
  return value;
}

function parse(bytes: Uint8Array, file: string): JsonValue {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (error instanceof JsonError) throw new RefusedError(`${file} is not strict JSON: ${error.message}`);
    throw error;
  }
}
