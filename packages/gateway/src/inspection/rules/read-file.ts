import { decodeUtf8, EncodingError } from '@cmcp/evidence';
import { readRegularFile } from '../../catalog/read-file.ts';
import { problemsError } from '../../config/problems.ts';
import { type Position, parseTree } from '../../config/tree.ts';
import { GatewayError } from '../../errors.ts';
import { RULES_FILE, type RulesFile } from './file-schema.ts';

const MAX_FILE_BYTES = 1_048_576;

/** Reports what is wrong at a place of the file, such as `rules[0].pattern`. */
export type Report = (path: string, message: string) => void;

/** The operator's file as written, and a way to say what else is wrong with it. */
export interface ReadRules {
  written: RulesFile;
  report: Report;
  /** @throws GatewayError INSPECTION_INVALID when anything was reported */
  requireSound(): void;
}

/** @throws GatewayError INSPECTION_INVALID, with file, line, and everything that is wrong with its form */
export async function readRulesFile(path: string): Promise<ReadRules> {
  const refuse = (why: string): GatewayError => new GatewayError('INSPECTION_INVALID', `${path}: ${why}`);
  return parseRules(path, textIn(await readRegularFile(path, MAX_FILE_BYTES, refuse), refuse));
}

/** As {@link readRulesFile}, of a text. `file`: what messages call it. */
export function parseRules(file: string, text: string): ReadRules {
  const { tree, problems } = parseTree(text);
  const positions = new Map<string, Position>();
  const written = tree === null ? undefined : RULES_FILE.read(tree, '', { problems, positions, variables: {} });
  const requireSound = (): void => {
    if (problems.length > 0) throw problemsError('INSPECTION_INVALID', file, problems);
  };
  requireSound();
  if (written === undefined) throw new GatewayError('INSPECTION_INVALID', `${file}: cannot be read`);
  return {
    written,
    report: (path, message) => problems.push({ at: positions.get(path) ?? null, path, message }),
    requireSound,
  };
}

function textIn(bytes: Uint8Array, refuse: (why: string) => GatewayError): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    if (error instanceof EncodingError) throw refuse('not valid UTF-8 text');
    throw error;
  }
}
