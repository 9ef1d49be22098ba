import type { Decision } from './types.ts';

/** Whether a decision lets a request through, be it with something removed from its answer. */
export const allows = ({ effect }: Pick<Decision, 'effect'>): boolean => effect === 'allow' || effect === 'redact';
