import type { TpmCommands } from '../api.ts';
import type { Sequence } from '../sequence.ts';
import { capabilityCommands } from './capability.ts';
import { keyCommands } from './key.ts';
import { nvCommands } from './nv.ts';
import { pcrCommands } from './pcr.ts';
import { policyCommands } from './policy.ts';

/** The commands of one sequence. */
export function commandsOf(sequence: Sequence): TpmCommands {
  return {
    ...capabilityCommands(sequence),
    ...pcrCommands(sequence),
    ...keyCommands(sequence),
    ...nvCommands(sequence),
    ...policyCommands(sequence),
  };
}
