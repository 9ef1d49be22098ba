import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Check, Outcome, Report } from '@cmcp/evidence';
import { reportText } from './report-text.ts';

const check = (outcome: Outcome, extra: Partial<Check> = {}): Check => ({
  id: `test.${outcome}`,
  title: `Is it ${outcome}?`,
  outcome,
  against: null,
  detail: `it is ${outcome}`,
  required: true,
  ...extra,
});

const report = (extra: Partial<Report>): Report => ({
  verdict: 'verified',
  summary: 'All is proven.',
  session_id: null,
  claim: null,
  checks: [],
  relaxations: [],
  lacking: [],
  residual: [],
  ...extra,
});

const GREEN = '\u001b[32m';

test('what was relaxed never has the colour or the words of what was not [UX-09]', () => {
  const whole = reportText('s.cmcp.json', report({}), true);
  assert.ok(whole.includes(`${GREEN}VERIFIED\u001b[0m`), whole);
  const relaxed = reportText('s.cmcp.json', report({ relaxations: ['--accept-software'] }), true);
  assert.ok(!relaxed.includes(GREEN), relaxed);
  assert.match(relaxed, /VERIFIED WITH --accept-software/);
  for (const verdict of ['unverified', 'refused'] as const) {
    assert.ok(!reportText('s.cmcp.json', report({ verdict }), true).includes(GREEN), verdict);
  }
});

test('failures come first, then what is proven, asserted and not checked, each with its pin [UX-01]', () => {
  const checks = [
    check('not checked', { required: false }),
    check('asserted', { remedy: '--policy-hash sha256:…' }),
    check('proven', { against: 'gateway.jwk' }),
    check('failed'),
  ];
  const text = reportText('s.cmcp.json', report({ verdict: 'refused', checks }), false);
  const order = ['FAILED', 'PROVEN', 'ASSERTED', 'NOT CHECKED'].map((title) => text.indexOf(`\n  ${title}`));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.ok(order.every((at) => at > 0));
  assert.match(text, /Is it proven\? it is proven \[against: gateway\.jwk\]\n/);
  assert.match(text, /Is it asserted\? it is asserted \(required\)\n {6}to prove it: --policy-hash/);
});

test('what calls carried and where it went is two tables, with what each basis means, and nothing where there is none [L-09]', () => {
  assert.ok(!reportText('s.cmcp.json', report({}), false).includes('WHERE VALUES WENT'));
  const shared = { sequence_number: 7, call_id: 'c', decision: 'allow' };
  const edge = { ...shared, from_domain: 'pii', to_domain: 'external', tool_name: 'send_mail' };
  const carrying = {
    ...shared,
    tool_name: 'send_mail',
    sources: ['find_customer', 'crm\u001b[2J'],
    max_sensitivity: 'pii',
    complete: false,
  };
  const crossings = [
    { ...edge, basis: 'observed' as const },
    { ...edge, basis: 'temporal' as const, count: 3 },
  ];
  const text = reportText('s.cmcp.json', report({ flow: { carrying: [carrying], more: 2, crossings } }), false);
  assert.match(text, /7 +send_mail +find_customer, crm\\u\{1b\}\[2J +pii +no +allow\n {4}and 2 more\n/);
  assert.match(text, /7 +send_mail +pii +external +observed +allow\n/);
  assert.match(text, /7 and 2 more +send_mail +pii +external +temporal +allow\n/);
  assert.match(text, /temporal: .* no evidence that data moved/);
});

test('what a file or a server says cannot steer the terminal', () => {
  const hostile = '\u001b[2J\u202egnihton\r\n';
  const text = reportText(hostile, report({ summary: hostile, checks: [check('failed', { detail: hostile })] }), false);
  for (const control of ['\u001b', '\u202e', '\r']) assert.ok(!text.includes(control), JSON.stringify(text));
});
