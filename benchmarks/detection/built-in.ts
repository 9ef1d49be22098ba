import { composed } from '../../packages/gateway/src/inspection/composed.ts';
import { type Inspecting, inspecting } from '../../packages/gateway/src/inspection/inspector.ts';
import { judge } from '../../packages/gateway/src/inspection/judge.ts';
import { builtInRules } from '../../packages/gateway/src/inspection/rules/load.ts';
import type { Outcome } from '../../packages/gateway/src/inspection/types.ts';
import type { Subject } from './subject.ts';

export interface BuiltIn {
  subject: Subject;
  inspecting: Inspecting;
  outcomes: Readonly<Record<string, Outcome>>;
}

/** What the gateway does where its operator says nothing: its own rules and settings. */
export function builtIn(): BuiltIn {
  const rules = builtInRules();
  const settings = rules.settingsFor('any');
  const how = composed([])(rules, rules.defaults);
  const subject: Subject = (text) => judge(atOnce(inspecting(text, how)).findings, settings, rules).findings;
  return { subject, inspecting: how, outcomes: settings.outcomes };
}

function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
