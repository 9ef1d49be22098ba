import type { Sensitivity } from '../exposure.ts';

/** Where values that a call carries came from, as far as is known. */
export interface FlowView {
  /** Catalog names of the tools, resources and prompts whose answers gave them; sorted. */
  tools: readonly string[];
  /** Ids of their servers; sorted. */
  servers: readonly string[];
  /**
   * Their compliance domains; sorted. What the entry's `flow` member says too: the claim's call graph is worked out from it, and a
   * source may have been read in an earlier session, whose entries are in another chain.
   */
  domains: readonly string[];
  /** Their classes; sorted. */
  classes: readonly string[];
  /** The highest class among them; that of the exposure where `complete` is false. */
  max: Sensitivity;
  /** False where something was seen that is not remembered: absence of a known flow is never evidence of no flow. */
  complete: boolean;
}
