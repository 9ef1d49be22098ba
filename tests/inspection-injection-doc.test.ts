import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { FAMILIES } from '../packages/gateway/src/inspection/injection/rule.ts';
import { INJECTION_RULES } from '../packages/gateway/src/inspection/injection/rules.ts';

it('docs/inspection.md lists every rule by which an instruction is found, by its family', () => {
  const page = readFileSync(new URL('../docs/inspection.md', import.meta.url), 'utf8');
  const rows = FAMILIES.map((family) => {
    const ids = INJECTION_RULES.filter((rule) => rule.family === family).map(({ id }) => `\`${id}\``);
    return `| ${family} | ${ids.join(', ')} |`;
  });
  const table = ['| Family | Rules |', '|---|---|', ...rows].join('\n');
  assert.ok(page.includes(`${table}\n\n`), `the table under "Injection" has to be:\n${table}`);
});
