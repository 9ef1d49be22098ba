import { PAYMENT_RULES } from './payment.ts';
import { PERSONAL_RULES } from './personal.ts';
import type { ValueRule } from './rule.ts';

/** Every value that is recognised without a word of the operator's. */
export const VALUE_RULES: readonly ValueRule[] = [...PERSONAL_RULES, ...PAYMENT_RULES];
