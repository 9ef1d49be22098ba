import type { InvariantReport } from '@cmcp/gateway';

/** What random requests found, for people. */
export function invariantsText({ bundleHash, seed, runs, invariants }: InvariantReport): string {
  if (invariants.length === 0) {
    return 'There are no invariants. Write some into the bundle as tests/*.yaml; docs/policy.md shows how.\n';
  }
  const violated = invariants.filter(({ violation }) => violation !== null).length;
  const lines = [
    `Bundle ${bundleHash}`,
    '',
    ...invariants.flatMap(invariantLines),
    '',
    `${violated} of ${invariants.length} invariants are violated. ${runs} random requests, seed ${seed}.`,
    ...(violated === 0 ? ['That none was found does not prove that there is none.'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function invariantLines({ name, where, checked, violation }: InvariantReport['invariants'][number]): string[] {
  if (violation === null) {
    const held = checked === 0 ? 'IDLE    ' : 'held    ';
    return [`  ${held}${name}  (${checked === 0 ? `no request concerned it; ${where}` : `${checked} requests`})`];
  }
  const by = violation.policies.length === 0 ? '' : ` by ${violation.policies.join(', ')}`;
  return [
    `  BROKEN  ${name}  (${where})`,
    `          ${violation.effect}${by}; as a test:`,
    ...violation.test
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
  ];
}
