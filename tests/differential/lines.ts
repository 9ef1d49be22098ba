import type { Readable } from 'node:stream';

/** Lines as MCP has them: a line feed ends one, and nothing else does; `node:readline` would split at U+2028 too. */
export function readLines(input: Readable, take: (line: string) => void): void {
  let pending = '';
  input.setEncoding('utf8');
  input.on('data', (chunk: string) => {
    const lines = `${pending}${chunk}`.split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}
