import { type Share, share } from '../detection/shares.ts';
import { isExternal, type Persona, type ScenarioCall } from './corpus.ts';
import { EVASIONS } from './evasions.ts';
import { PATIENTS, type Patient } from './patients.ts';
import { type Arguments, payloadOf } from './payloads.ts';
import { POLICIES, type PolicyName } from './policies.ts';
import { ScenarioBed } from './scenario-bed.ts';
import { type Blocks, evade, walkPersona } from './walk.ts';

/** What one policy blocks in the sessions of one persona, or of all. */
export interface PersonaResult extends Blocks {
  persona: string;
  /** Of the blocks, those of calls that carried nothing. */
  falsePositives: Share;
}

export interface EvasionResult {
  evasion: string;
  /** Trials in which every call that carried a part was stopped. */
  stopped: Share;
  /** Trials in which one part was stopped and another went. */
  partly: number;
}

export interface PolicyResult {
  policy: PolicyName;
  personas: PersonaResult[];
  overall: PersonaResult;
  /** The same sessions, where notices go to the address that the chart has. */
  addressed: PersonaResult;
  evasions: EvasionResult[];
}

/** Everything about one policy. */
export async function measure(personas: readonly Persona[], policy: PolicyName): Promise<PolicyResult> {
  const targets = personas.flatMap((persona) =>
    persona.calls.filter((call) => call.carries && isExternal(call)).map((call) => ({ persona, call })),
  );
  const agents = 2 * personas.length + EVASIONS.length * targets.length * PATIENTS.length;
  const bed = await ScenarioBed.open(personas, { policy: POLICIES[policy], agents });
  try {
    const patient = PATIENTS[0] as Patient;
    const walked = await walkAll(bed, personas, patient, (call) => payloadOf(call, patient).arguments);
    const addressed = await walkAll(bed, personas, patient, (call) => addressedTo(call, patient));
    const evasions: EvasionResult[] = [];
    for (const evasion of EVASIONS) {
      const stopped = [];
      for (const { persona, call } of targets) {
        for (const one of PATIENTS) stopped.push(await evade(bed, persona, call, one, evasion));
      }
      const all = stopped.filter((found) => found === 'all').length;
      const partly = stopped.filter((found) => found === 'some').length;
      evasions.push({ evasion: evasion.name, stopped: share(all, stopped.length), partly });
    }
    return { policy, personas: walked, overall: sumOf('all', walked), addressed: sumOf('all', addressed), evasions };
  } finally {
    await bed.close();
  }
}

async function walkAll(
  bed: ScenarioBed,
  personas: readonly Persona[],
  patient: Patient,
  given: (call: ScenarioCall) => Arguments,
): Promise<PersonaResult[]> {
  const results: PersonaResult[] = [];
  for (const persona of personas) {
    results.push(resultOf(persona.name, await walkPersona(bed, persona, patient, given)));
  }
  return results;
}

/** A notice to a patient needs an address, and where that is the chart's, the call carries something of the chart. */
function addressedTo(call: ScenarioCall, patient: Patient): Arguments {
  const { arguments: given } = payloadOf(call, patient);
  return call.carries || !isExternal(call) ? given : { ...given, part_1: patient.email };
}

function sumOf(persona: string, results: readonly Blocks[]): PersonaResult {
  const sum = (count: (blocks: Blocks) => number): number => results.reduce((total, one) => total + count(one), 0);
  return resultOf(persona, {
    rightful: sum(({ rightful }) => rightful),
    wrongful: sum(({ wrongful }) => wrongful),
    missed: sum(({ missed }) => missed),
  });
}

const resultOf = (persona: string, blocks: Blocks): PersonaResult => ({
  persona,
  ...blocks,
  falsePositives: share(blocks.wrongful, blocks.rightful + blocks.wrongful),
});
