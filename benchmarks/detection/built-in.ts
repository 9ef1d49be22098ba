import { GatewayError } from '../../packages/gateway/src/errors.ts';
import { composed } from '../../packages/gateway/src/inspection/composed.ts';
import { type Inspecting, inspecting } from '../../packages/gateway/src/inspection/inspector.ts';
import { judge } from '../../packages/gateway/src/inspection/judge.ts';
import { builtInRules } from '../../packages/gateway/src/inspection/rules/load.ts';
import type { Finding, Outcome } from '../../packages/gateway/src/inspection/types.ts';
import { type Subject, WITHHELD } from './subject.ts';

export interface BuiltIn {
  subject: Subject;
  inspecting: Inspecting;
  outcomes: Readonly<Record<string, Outcome>>;
}

/** What the gateway does where its operator says nothing: its own rules and settings. */
export function builtIn(): BuiltIn {
  const rules = builtInRules();
  const settings = rules.settingsFor('any');
  const how = composed([])(rules, settings);
  const subject: Subject = (text) => judge(findingsIn(text, how), settings, rules).findings;
  return { subject, inspecting: how, outcomes: settings.outcomes };
}

/** What exceeds a bound is withheld unread: all of it is as good as found, also where it is harmless. */
function findingsIn(text: string, how: Inspecting): readonly Finding[] {
  try {
    return atOnce(inspecting(text, how)).findings;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'INSPECTION_FAILED') throw error;
    const passage = { path: [], kind: 'text', text } as const;
    const whole = { start: 0, end: text.length, via: [], label: null, instead: null, passage };
    return [{ kind: 'concealed', rule: WITHHELD, ...whole }];
  }
}

function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
