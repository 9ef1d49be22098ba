import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Narrator, type Outcome, type Plan, StoryDiffers, Teller } from './teller.ts';

const plan: Plan = {
  id: 'a-step',
  chapter: 'govern',
  title: 'A step',
  asked: 'something',
  expected: { decided: 'refused', by: ['a-policy'], facts: { error_code: 'POLICY_DENY' } },
};

const asExpected: Outcome = {
  decided: 'refused',
  by: ['a-policy'],
  by_kind: 'policy',
  why: 'because',
  facts: { error_code: 'POLICY_DENY', call_id: 'c1' },
};

function quietTeller(): Teller {
  const quiet = (): void => undefined;
  const narrator: Narrator = { begin: quiet, told: quiet, end: quiet, broke: quiet };
  return new Teller(narrator);
}

test('a step that goes as the story says yields its result and is kept with its number', async () => {
  const teller = quietTeller();
  assert.equal(await teller.step(plan, async () => ({ ...asExpected, result: 42 })), 42);
  assert.deepEqual(
    teller.steps.map(({ step, id, decided }) => ({ step, id, decided })),
    [{ step: 1, id: 'a-step', decided: 'refused' }],
  );
});

const differing: Record<string, [Partial<Outcome>, RegExp]> = {
  'another decision': [{ decided: 'allowed' }, /decided should be "refused" and is "allowed"/],
  'another policy': [{ by: ['another'] }, /by should be \["a-policy"\] and is \["another"\]/],
  'one policy more': [{ by: ['a-policy', 'another'] }, /by should be/],
  'another fact': [{ facts: { error_code: 'CATALOG_DRIFT' } }, /error_code should be "POLICY_DENY"/],
  'a missing fact': [{ facts: {} }, /error_code should be "POLICY_DENY" and is null/],
};

for (const [what, [change, problem]] of Object.entries(differing)) {
  test(`${what} than the story says ends it, names the step, and keeps what was found`, async () => {
    const teller = quietTeller();
    const taken = teller.step(plan, async () => ({ ...asExpected, ...change, result: null }));
    await assert.rejects(taken, (error) => {
      assert.ok(error instanceof StoryDiffers);
      assert.deepEqual(error.step, { number: 1, id: 'a-step' });
      assert.match(error.message, problem);
      return true;
    });
    assert.equal(teller.steps.length, 1);
  });
}

test('a step that fails ends the story with its own reason', async () => {
  const failing = quietTeller().step(plan, async () => {
    throw new Error('the gateway ended with 1');
  });
  await assert.rejects(failing, { name: 'StoryDiffers', message: 'the gateway ended with 1' });
});
