import type { BundlePolicy } from '../../../policy/parse.ts';
import type { Finding } from '../../finding.ts';
import { dependsOn, unknown } from './expression.ts';
import { type Ground, placeOf } from './ground.ts';
import { finding } from './rules.ts';
import { type Answer, type Case, mayHold } from './survey.ts';

/** A workflow that only the caller has named. */
const ASSERTED = { workflow: { id: unknown('workflow.id'), source: 'asserted' } };
const WORKFLOW_NAMES = ['workflow.id', 'workflow_id'];
/** What a server says of its own question. */
const SERVER_WORDS = ['message', 'fields'];

/** What Cedar says of requests in a workflow that the caller named, and of the same requests in none. */
interface Pair {
  kind: Case;
  named: Answer;
  unnamed: Answer;
}

/** Rules whose outcome is in the hands of those whom they are about. */
export function assertedFindings(ground: Ground): Finding[] {
  const pairs = pairsIn(ground);
  return ground.bundle.policies.flatMap((policy) => {
    if (pairs.some((pair) => relies(policy.id, pair, ground))) return [onWorkflow(policy)];
    if (policy.effect === 'permit' && ground.survey.cases.some((each) => trustsWords(policy.id, each))) {
      return [onWords(policy)];
    }
    return [];
  });
}

function pairsIn({ survey }: Ground): Pair[] {
  return survey.cases
    .filter(({ workflow }) => workflow)
    .flatMap((kind) => {
      const [named, unnamed] = [survey.ask(kind, ASSERTED), survey.ask({ ...kind, workflow: false })];
      return named === null || unnamed === null ? [] : [{ kind, named, unnamed }];
    });
}

/** Whether naming a workflow, or another one, changes whether the policy holds. */
function relies(id: string, { kind, named, unnamed }: Pair, { survey }: Ground): boolean {
  if (!survey.fits(id, kind)) return false;
  if (WORKFLOW_NAMES.some((name) => dependsOn(named.open.get(id), name))) return true;
  return stateOf(named, id) !== stateOf(unnamed, id);
}

function stateOf(answer: Answer, id: string): string {
  if (answer.holds.has(id)) return 'holds';
  return answer.fails.has(id) ? 'fails' : JSON.stringify(answer.open.get(id) ?? 'never');
}

function trustsWords(id: string, { answer }: Case): boolean {
  return mayHold(answer, id) && SERVER_WORDS.some((name) => dependsOn(answer.open.get(id), name));
}

function onWorkflow(policy: BundlePolicy): Finding {
  if (policy.effect === 'permit') {
    return finding(
      'asserted-permit',
      placeOf(policy),
      `${policy.id}: permits by the workflow, which every caller names as it likes`,
      'name the agents in the scope instead (principal == Agent::"…"), or add a condition on what callers cannot choose',
    );
  }
  return finding(
    'asserted-forbid',
    placeOf(policy),
    `${policy.id}: a caller escapes this by naming another workflow, or none`,
    'let it forbid without the workflow, or take it as a second line only',
  );
}

function onWords(policy: BundlePolicy): Finding {
  return finding(
    'asserted-permit',
    placeOf(policy),
    `${policy.id}: permits by what a server says in its question (message, fields), which it words as it likes`,
    'permit questions by server (resource == Server::"…"), not by their words',
  );
}
