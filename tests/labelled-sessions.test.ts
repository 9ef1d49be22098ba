import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPersonas } from '../benchmarks/scenarios/corpus.ts';
import { PATIENTS, type Patient } from '../benchmarks/scenarios/patients.ts';
import { payloadOf } from '../benchmarks/scenarios/payloads.ts';
import { POLICIES, type PolicyName } from '../benchmarks/scenarios/policies.ts';
import { ScenarioBed } from '../benchmarks/scenarios/scenario-bed.ts';
import { walkPersona } from '../benchmarks/scenarios/walk.ts';
import { sharedPath } from './shared.ts';

const directory = sharedPath('datasets', 'session-scenarios');
const [PATIENT] = PATIENTS as [Patient];

type Counts = Record<string, [rightly: number, wrongly: number, missed: number]>;

/** What the corpus calls right, and nothing else. */
const BY_FLOW: Counts = {
  cds: [2, 0, 0],
  billing: [0, 0, 0],
  compliance: [2, 0, 0],
  mixed: [1, 0, 0],
  batch: [0, 0, 0],
};

/** Blocks by persona. The first is the published result. */
const EXPECTED: Record<PolicyName, Counts> = {
  monotonic: { cds: [2, 0, 0], billing: [0, 4, 0], compliance: [2, 1, 0], mixed: [1, 2, 0], batch: [0, 4, 0] },
  known: BY_FLOW,
  complete: BY_FLOW,
};

for (const policy of Object.keys(POLICIES) as PolicyName[]) {
  test(`labelled sessions through a gateway, policy ${policy}: every rightful block is kept, and by flow no other is made [L-09]`, async (t) => {
    if (directory === null) return t.skip('the session scenarios are not here');
    const personas = await readPersonas(directory);
    const bed = await ScenarioBed.open(personas, { policy: POLICIES[policy], agents: personas.length });
    t.after(() => bed.close());
    for (const persona of personas) {
      const { rightful, wrongful, missed } = await walkPersona(
        bed,
        persona,
        PATIENT,
        (call) => payloadOf(call, PATIENT).arguments,
      );
      assert.deepEqual([rightful, wrongful, missed], EXPECTED[policy][persona.id], persona.name);
    }
  });
}
