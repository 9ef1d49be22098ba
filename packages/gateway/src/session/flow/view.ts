import { higher, type Sensitivity, UNEXPOSED } from '../exposure.ts';
import type { FlowView } from './types.ts';

/** What gave a value that is remembered. */
export interface FlowSource {
  /** Catalog name of the tool, resource or prompt. */
  tool: string;
  /** Id of its server. */
  server: string;
  /** Its compliance domain. */
  domain: string;
  /** Class of the answer that it was in. */
  sensitivity: Sensitivity;
}

/** Everything that was seen is remembered, and nothing of it is carried. */
export const NO_FLOW: FlowView = { tools: [], servers: [], domains: [], classes: [], max: UNEXPOSED, complete: true };

/** `exposed`: what stands for everything where not everything that was seen is remembered. */
export function viewOf(sources: Iterable<FlowSource>, complete: boolean, exposed: Sensitivity): FlowView {
  const all = [...sources];
  const known = all.map(({ sensitivity }) => sensitivity).reduce(higher, UNEXPOSED);
  const max = complete ? known : higher(known, exposed);
  return {
    tools: sorted(all.map(({ tool }) => tool)),
    servers: sorted(all.map(({ server }) => server)),
    domains: sorted(all.map(({ domain }) => domain)),
    classes: sorted(all.map(({ sensitivity }) => sensitivity.class)),
    max: { class: max.class, rank: max.rank },
    complete,
  };
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
