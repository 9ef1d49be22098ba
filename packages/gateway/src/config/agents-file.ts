import { open } from 'node:fs/promises';
import { decodeUtf8, EncodingError } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { agentCredential, agentOf } from './credentials.ts';
import { problemsError } from './problems.ts';
import { list } from './readers.ts';
import { type Position, parseTree } from './tree.ts';
import type { AgentCredential } from './types.ts';

const MAX_BYTES = 1_048_576;
const agents = list(agentCredential);

/**
 * The agents in a file of their own (`agents_file`), in the form of `agents`.
 * @throws GatewayError CONFIG_INVALID
 */
export async function readAgentsFile(file: string): Promise<AgentCredential[]> {
  const { tree, problems } = parseTree(await textIn(file));
  const context = { problems, positions: new Map<string, Position>(), variables: {} };
  const read = tree === null ? undefined : agents.read(tree, 'agents', context);
  if (read === undefined || problems.length > 0) throw problemsError('CONFIG_INVALID', file, problems);
  return read.map(agentOf);
}

async function textIn(file: string): Promise<string> {
  try {
    await using handle = await open(file, 'r');
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > MAX_BYTES) throw refuse(file, `is no file of at most ${MAX_BYTES} bytes`);
    return decodeUtf8(await handle.readFile());
  } catch (error) {
    if (error instanceof EncodingError) throw refuse(file, 'is not valid UTF-8 text', error);
    if (error instanceof GatewayError || !(error instanceof Error && 'code' in error)) throw error;
    throw refuse(file, `cannot be read (${String(error.code)})`, error);
  }
}

function refuse(file: string, why: string, cause?: unknown): GatewayError {
  return new GatewayError('CONFIG_INVALID', `${file}: ${why}`, { cause });
}
