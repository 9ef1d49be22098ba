import { scanValues } from '../../packages/gateway/src/inspection/detectors/scan-values.ts';
import { type Inspecting, inspecting } from '../../packages/gateway/src/inspection/inspector.ts';
import type { Outcome } from '../../packages/gateway/src/inspection/types.ts';
import type { Subject } from './subject.ts';

const HOW: Inspecting = {
  normalised: (text) => ({ text, via: [], at: (offset) => offset }),
  encodedRuns: () => [],
  scans: [scanValues],
  rawScans: [],
};

/** What the gateway does where its operator says nothing: its own rules and settings. */
export function builtIn(): { subject: Subject; inspecting: Inspecting; outcomes: Readonly<Record<string, Outcome>> } {
  const outcomes = {
    personal: 'flag',
    payment: 'redact',
    health: 'flag',
    secret: 'redact',
    injection: 'redact',
    concealed: 'deny',
    link: 'redact',
  } as const;
  return { subject: (text) => atOnce(inspecting(text, HOW)).findings, inspecting: HOW, outcomes };
}

function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
