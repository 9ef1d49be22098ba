import { HEALTH_RULES } from './health.ts';
import { PAYMENT_RULES } from './payment.ts';
import { PERSONAL_RULES } from './personal.ts';
import type { ValueRule } from './rule.ts';
import { CLOUD_SECRETS } from './secrets-cloud.ts';
import { CODE_SECRETS } from './secrets-code.ts';
import { PLAIN_SECRETS } from './secrets-plain.ts';
import { MODEL_SECRETS, SERVICE_SECRETS } from './secrets-services.ts';

/** Every value that is recognised without a word of the operator's. */
export const VALUE_RULES: readonly ValueRule[] = [
  ...PERSONAL_RULES,
  ...PAYMENT_RULES,
  ...HEALTH_RULES,
  ...PLAIN_SECRETS,
  ...CLOUD_SECRETS,
  ...CODE_SECRETS,
  ...MODEL_SECRETS,
  ...SERVICE_SECRETS,
];
