import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { enrollAction } from '../packages/cli/src/attest/enroll.ts';
import { attestCommand } from '../packages/cli/src/commands/attest.ts';
import { verifyCommand } from '../packages/cli/src/commands/verify.ts';
import { runPage } from './support/page.ts';
import { noSoftwareTpm } from './support/software-tpm.ts';

const doc = await readFile(new URL('../docs/enrolment.md', import.meta.url), 'utf8');
/** Of swtpm and its setup. */
const OF_SWTPM = ['create-config-files', 'tpm2', 'tpmstate', 'create-ek-cert', 'lock-nvram', 'pcr-banks'].concat([
  'flags',
  'server',
  'ctrl',
  'pid',
  'daemon',
]);

test('every command of docs/enrolment.md works on a software TPM, in the order of the page', async (t) => {
  const absent = noSoftwareTpm();
  if (absent !== null) return t.skip(absent);
  const { code, text } = await runPage('docs/enrolment.md', '/tmp/cmcp-enrolment');
  assert.equal(code, 0, text);
  assert.match(text, /a software TPM: a program, not a chip/);
  assert.match(text, /Certified the attestation key of node-1 for 365 days/);
  assert.match(text, /software TPM/);
});

test('docs/enrolment.md explains every option of enroll, and names none that does not exist', () => {
  const known = [...Object.keys(attestCommand.options), ...Object.keys(verifyCommand.options), ...OF_SWTPM];
  const named = [...doc.matchAll(/(?<![\w-])--([a-z][a-z0-9-]*)/g)].map((match) => match[1] ?? '');
  for (const name of named) assert.ok(known.includes(name), `--${name}`);
  for (const name of Object.keys(enrollAction.options)) assert.ok(named.includes(name), `--${name}`);
});

test('its table of contents names its headings', () => {
  const headings = [...doc.matchAll(/^## (.*)$/gm)].map((match) => match[1] ?? '');
  const listed = [...doc.matchAll(/^- \[(.*?)\]\(#/gm)].map((match) => match[1] ?? '');
  assert.deepEqual(listed, headings);
});
