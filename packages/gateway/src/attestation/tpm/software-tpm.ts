import type { TpmCommands } from './api.ts';
import { PT } from './constants.ts';

/** What programs call themselves in the vendor strings: swtpm and IBM's simulator, and the simulator of the TCG's reference code. */
const PROGRAMS = ['SW TPM', 'xCG fTPM'];

/** Whether the TPM says of itself that it is a program for tests. One that says nothing may still be one: only certificates tell. */
export async function isSoftwareTpm(commands: TpmCommands): Promise<boolean> {
  const words: string[] = [];
  for (const property of [PT.vendorString1, PT.vendorString2, PT.vendorString3, PT.vendorString4]) {
    words.push(ascii((await commands.property(property)) ?? 0));
  }
  // The strings are padded with blanks or zeros to four bytes each.
  return PROGRAMS.includes(words.join('').replaceAll('\0', '').trim().replace(/ +/g, ' '));
}

function ascii(word: number): string {
  return String.fromCharCode(word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff);
}
