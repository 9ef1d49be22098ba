import { readFile } from 'node:fs/promises';
import {
  type DocumentExpectations,
  type Expectations,
  isObject,
  JsonError,
  type JsonValue,
  member,
  PROVENANCE_KINDS,
  type ProvenanceKind,
  parseJson,
} from '@cmcp/evidence';
import type { Arguments, Option } from '../arguments.ts';
import { RefusedError, UsageError } from '../io.ts';

/** The options that concern signed documents other than sessions. */
export const DOCUMENT_OPTIONS: Record<string, Option> = {
  challenge: { value: 'TEXT', help: 'For a Trust Record: the nonce that it must carry.' },
  level: { value: '0|1|2', help: 'For a Trust Record: the level of TRACE that it must reach.' },
  tools: { value: 'FILE', help: 'For a provenance record: what the server’s tools/list answers.' },
  'provenance-kind': {
    value: 'KIND',
    help: `For a provenance record: the weakest kind, ${PROVENANCE_KINDS.join(', ')}.`,
  },
};

/** What is expected of such a document: as of a session, and what its own options say. The clock is this machine's without `--at`. */
export async function documentExpectations(given: Arguments, shared: Expectations): Promise<DocumentExpectations> {
  const nonce = given.one('challenge');
  const level = levelOf(given.one('level'));
  const tools = await toolsIn(given.one('tools'));
  const provenanceKind = kindOf(given.one('provenance-kind'));
  return {
    ...shared,
    // Keys of gateways that ran here are no publishers of anything.
    keys: (shared.keys ?? []).filter(({ remembered }) => remembered !== true),
    now: shared.now ?? Math.floor(Date.now() / 1000),
    ...(nonce !== null && { nonce }),
    ...(level !== null && { level }),
    ...(tools !== null && { tools }),
    ...(provenanceKind !== null && { provenanceKind }),
  };
}

function levelOf(value: string | null): 0 | 1 | 2 | null {
  if (value === null) return null;
  const level = ([0, 1, 2] as const).find((known) => String(known) === value);
  if (level === undefined) throw new UsageError('--level takes 0, 1 or 2');
  return level;
}

function kindOf(value: string | null): ProvenanceKind | null {
  if (value === null) return null;
  const kind = PROVENANCE_KINDS.find((known) => known === value);
  if (kind === undefined) throw new UsageError(`--provenance-kind takes one of ${PROVENANCE_KINDS.join(', ')}`);
  return kind;
}

/** The tools in an answer to `tools/list`, whole or its result, or in a bare list. */
async function toolsIn(file: string | null): Promise<readonly JsonValue[] | null> {
  if (file === null) return null;
  const tools = listIn(await parsed(file));
  if (tools === null) throw new RefusedError(`${file} holds no list of tools`);
  return tools;
}

function listIn(value: JsonValue): readonly JsonValue[] | null {
  if (Array.isArray(value)) return value;
  if (!isObject(value)) return null;
  const inner = member(value, 'tools') ?? member(value, 'result');
  return inner === undefined ? null : listIn(inner);
}

async function parsed(file: string): Promise<JsonValue> {
  try {
    return parseJson(await readFile(file));
  } catch (error) {
    if (error instanceof JsonError) throw new RefusedError(`${file} is not strict JSON: ${error.message}`);
    throw error;
  }
}
