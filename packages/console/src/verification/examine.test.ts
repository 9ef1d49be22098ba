import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeSession, newKey } from '../../../evidence/src/testing/session.ts';
import { examine } from './examine.ts';
import type { GivenFile } from './given-file.ts';

const CALL = { kind: 'allow', tool: 'search', domain: 'general', dataClass: 'public' } as const;

function fileOf(id: number, name: string, value: unknown): GivenFile {
  const bytes = value instanceof Uint8Array ? Uint8Array.from(value) : new TextEncoder().encode(JSON.stringify(value));
  return { id, name, bytes };
}

test('a receipt goes to the session that it names; one that names none refuses them all', async () => {
  const [one, two] = [await makeSession(await newKey(), [CALL]), await makeSession(await newKey(), [CALL])];
  const receipt = (session_id: string, call_id: string | null | undefined) => ({ session_id, call_id });
  const own = receipt(one.claim.gateway.session_id, one.bundle.entries[1]?.call_id);
  const files = [fileOf(1, 'one.cmcp.json', one), fileOf(2, 'two.cmcp.json', two), fileOf(3, 'own.json', own)];
  const outcomes = async (given: GivenFile[]) => {
    const { sessions } = await examine({ files: given, expectations: {} });
    return sessions.map(({ report }) =>
      report.checks.filter(({ id }) => id.startsWith('receipt.')).map((c) => c.outcome),
    );
  };
  assert.deepEqual(await outcomes(files), [['proven'], []]);
  const strange = fileOf(4, 'strange.json', receipt('elsewhere', 'c'));
  assert.deepEqual(await outcomes([...files, strange]), [['proven', 'failed'], ['failed']]);
});

test('the same session twice is one passed off as two', async () => {
  const session = await makeSession(await newKey(), [CALL]);
  const files = [fileOf(1, 'one.cmcp.json', session), fileOf(2, 'two.cmcp.json', session)];
  const { series } = await examine({ files, expectations: {} });
  assert.equal(series.find(({ id }) => id === 'series.once')?.outcome, 'failed');
});

test('whatever the files are, there is an answer, and one that could not be read has nothing drawn', async () => {
  const name = fc.constantFrom('a.cmcp.json', 'a.json', 'a.ndjson', 'a');
  const content = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => new TextEncoder().encode(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, content), { maxLength: 4 }), async (given) => {
      const files = given.map(([each, bytes], id) => fileOf(id, each, bytes));
      const { sessions } = await examine({ files, expectations: {} });
      for (const { report, anatomy } of sessions) {
        assert.equal(report.verdict, 'refused');
        assert.equal(anatomy, null);
      }
    }),
  );
});
