import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clausesOf } from './clauses.ts';
import { parsePolicies } from './parse.ts';

const cut = (conditions: string) =>
  clausesOf(`permit (principal, action, resource) ${conditions};`).clauses.map(({ readsContext }) => readsContext);

test('a condition that looks at the context is told from one that does not', () => {
  const cases: [string, boolean[]][] = [
    ['', []],
    ['when { context.x }', [true]],
    ['when{context has x}', [true]],
    ['when { resource.x } unless { { "a": context }.a.y }', [false, true]],
    ['when { "context" == resource.x }', [false]],
    ['when { "\\"context" == resource.x } unless { true }', [false, false]],
    ['when { true // context }\n } when { resource["x"] }', [false, false]],
    ['when { "// {" == resource.x && context.y }', [true]],
    ['when { resource["}"] } when { context["}"] } // } when { context }\n when { true }', [false, true, false]],
    ['when { resource.contexts || Agent::"context" == principal || my_context::"x" == principal }', [false]],
    [
      'when { if true then { "a": {} } == { "a": { "b": [] } } else false } unless { context == context }',
      [false, true],
    ],
    ['when { context_x::"a" == principal }', [false]],
  ];
  for (const [conditions, expected] of cases) assert.deepEqual(cut(conditions), expected, conditions);
});

test('a policy keeps its head as written, whatever stands in its strings and comments', () => {
  const head =
    '@id("when { context }") // ) when {\npermit (principal == Agent::"a) when { context", action, resource)';
  const { head: found, clauses } = clausesOf(`${head} when { true };`);
  assert.equal(found, head);
  assert.deepEqual(clauses, [{ text: ' when { true }', readsContext: false }]);
});

test('head and clauses put together are the policy again, clause for clause', () => {
  const odd = fc
    .string({ unit: fc.constantFrom('{', '}', '"', '\\', '(', ')', ';', 'when', 'context', '//', ' ', 'é') })
    .map((text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  const comment = fc.constantFrom('', '// when { context }\n', '// } "\n', '//\n');
  const plain = odd.map((text) => `resource[${text}] == {${text}: [${text}]}`);
  const reading = odd.map((text) => `context[${text}] || {${text}: context}[${text}] == 1`);
  const body = fc.oneof(
    plain.map((text) => ({ text, reads: false })),
    reading.map((text) => ({ text, reads: true })),
  );
  const clause = fc
    .tuple(fc.constantFrom('when', 'unless'), comment, body, comment)
    .map(([kind, before, { text, reads }, after]) => ({
      text: `${kind} ${before}{ ${after}${text} ${before}}${after}`,
      reads,
    }));
  fc.assert(
    fc.property(odd, comment, fc.array(clause, { maxLength: 4 }), (name, between, made) => {
      const policy = `@note(${name}) permit (principal == Agent::${name}, ${between} action, resource) ${between}${made.map(({ text }) => text).join(' ')};`;
      const [parsed] = parsePolicies([{ path: 'p.cedar', text: policy }]);
      const { head, clauses } = clausesOf(policy);
      assert.deepEqual(
        clauses.map(({ readsContext }) => readsContext),
        made.map(({ reads }) => reads),
      );
      const joined = `${head}${clauses.map(({ text }) => text).join('')};`;
      assert.deepEqual(parsePolicies([{ path: 'p.cedar', text: joined }])[0]?.json, parsed?.json);
    }),
    { numRuns: 300 },
  );
});
