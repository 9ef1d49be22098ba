import type { PolicyTestReport, TestReport } from '@cmcp/gateway';
import { columns } from '../table.ts';

/** What the tests of a bundle found, for people. @param least the coverage that is demanded, in percent; null: none */
export function testText(report: PolicyTestReport, least: number | null): string {
  const { tests, failed } = report;
  if (tests.length === 0) {
    return 'There are no such tests. Write some into the bundle as tests/*.yaml; docs/policy.md shows how.\n';
  }
  const lines = [
    `Bundle ${report.bundleHash}`,
    '',
    ...tests.flatMap(testLines),
    '',
    `${tests.length - failed} of ${tests.length} tests passed.`,
    ...coverageLines(report, least),
  ];
  return `${lines.join('\n')}\n`;
}

function testLines({ name, where, passed, expected, got, differs }: TestReport): string[] {
  if (passed) return [`  passed  ${name}`];
  const wanted = expected.policies === null ? '' : ` by ${list(expected.policies)}`;
  const error = got.error === null ? '' : ` (${got.error})`;
  const advice = differs.includes('advice')
    ? [
        `          expected advice ${JSON.stringify(expected.advice)}`,
        `          got advice      ${JSON.stringify(got.advice)}`,
      ]
    : [];
  return [
    `  FAILED  ${name}  (${where})`,
    `          expected ${expected.effect}${wanted}`,
    `          got      ${got.effect} by ${list(got.policies)}${error}`,
    ...advice,
  ];
}

function list(policies: readonly string[]): string {
  return policies.length === 0 ? 'no policy' : policies.join(', ');
}

function coverageLines({ coverage: { covered, policies } }: PolicyTestReport, least: number | null): string[] {
  const percent = Math.floor((covered * 100) / policies.length);
  const short = least !== null && covered * 100 < least * policies.length ? `, which is less than ${least}%` : '';
  const bare = policies.filter((policy) => !policy.covered);
  const rows = bare.map(({ where, effect, id }) => ['', where, `${effect} ${id}`]);
  return [
    `${covered} of ${policies.length} policies decided in some test: ${percent}%${short}.`,
    ...(bare.length === 0 ? [] : ['These did not:', columns(rows)]),
  ];
}
