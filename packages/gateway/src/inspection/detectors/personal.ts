import type { ValueRule } from './rule.ts';

/** Data about a person. */
export const PERSONAL_RULES: readonly ValueRule[] = [
  {
    id: 'email-address',
    kind: 'personal',
    what: 'E-mail address',
    trigger: { anchors: ['@'], lead: { chars: /[\p{L}\p{N}._%+'-]/u, most: 64 } },
    pattern:
      /[.%+'-]{0,64}(?<value>[\p{L}\p{N}_][\p{L}\p{N}._%+'-]{0,63}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24}))/duy,
    valid: isMailAddress,
  },
  {
    id: 'us-ssn',
    kind: 'personal',
    what: 'US social security number: areas, groups and serials that are issued',
    trigger: { digits: [3] },
    pattern: /(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?!-?\d)/y,
    before: { words: /(?:^|[^\d-])$/, reach: 1 },
  },
];

/** Endings of file names that follow an `@2x` or a version, and are no top-level domains. */
const FILE_ENDINGS = /\.(?:png|jpe?g|gif|svg|webp|css|jsx?|tsx?|json|html?|xml|ya?ml|txt|pdf|lock)$/i;

function isMailAddress(value: string): boolean {
  const [local, domain] = value.split('@') as [string, string];
  const labels = domain.split('.');
  if (local === 'git' || local.endsWith('.') || local.includes('..') || FILE_ENDINGS.test(value)) return false;
  return labels.every((label) => !label.startsWith('-') && !label.endsWith('-'));
}
