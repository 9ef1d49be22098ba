import { readFile } from 'node:fs/promises';
import { describeFile, printable, treeLines } from '@cmcp/evidence';

/** What is in an evidence file, as an indented tree, or as JSON. It shows, and verifies nothing. */
export async function showFile(file: string, json: boolean): Promise<string> {
  const { kind, tree } = describeFile(new Uint8Array(await readFile(file)));
  if (json) return `${JSON.stringify({ file, kind, tree }, null, 2)}\n`;
  const note = 'shown, not verified';
  return `${printable(file)}: ${kind} (${note})\n${treeLines(tree, 1).map(printable).join('\n')}\n`;
}
