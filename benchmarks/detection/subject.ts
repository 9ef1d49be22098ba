import type { TextFinding } from '../../packages/gateway/src/inspection/types.ts';

/** What is measured: everything that the gateway finds in one text of an answer, under the built-in rules and settings. */
export type Subject = (text: string) => readonly TextFinding[];

/** Stands for a rule where a text was withheld because it exceeds a bound of inspection. */
export const WITHHELD = 'withheld-unread';

/** Whether a finding says that a text gives instructions. */
export const instructs = ({ kind }: TextFinding): boolean => kind === 'injection' || kind === 'concealed';

export interface Span {
  start: number;
  end: number;
}

export const overlaps = (one: Span, other: Span): boolean => one.start < other.end && other.start < one.end;
