import type { Mode } from './types.ts';

/** Every mode, from the strictest to the quietest. */
export const MODES = ['enforcing', 'advisory', 'silent'] as const satisfies readonly Mode[];

/** Whether what policy decides is done. Otherwise it is only recorded, in the same entries. */
export const enforces = (mode: Mode): boolean => mode === 'enforcing';

/** Whether operators and callers are told, call by call, what was denied or would have been. Evidence is never quieter (G19). */
export const speaks = (mode: Mode): boolean => mode !== 'silent';
