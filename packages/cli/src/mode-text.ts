import type { Config } from '@cmcp/gateway';

const MEANING: Readonly<Record<Config['mode'], string>> = {
  enforcing: 'what policy denies is refused',
  advisory: 'what policy denies goes through; record, log and reply say so',
  silent: 'what policy denies goes through; only the record says so',
};

/** A mode with what it means, in one line. */
export function modeText(mode: Config['mode']): string {
  return `${mode}: ${MEANING[mode]}`;
}
