import { signatureFinding } from '../claim/self.ts';
import { verifyEd25519 } from '../crypto/ed25519.ts';
import { asserted, type Finding, failed, notChecked, proven } from '../finding.ts';
import type { Checkpoint } from './checkpoint.ts';
import { checkpointPreimage } from './hash.ts';
import type { Recovery } from './recovery.ts';
import type { Tips } from './tips.ts';

/** What the chain rests on. */
export interface ChainSupport {
  /** Checkpoints, their signatures and their agreement with the chain. */
  checkpoints: Finding;
  /** Up to where the chain is proven. */
  extent: Finding;
  /** Entries, from the first, that the claim key or a trusted older key vouches for. */
  provenLength: number;
}

interface ChainFacts {
  tips: Tips;
  sessionId: string;
  claimKey: string;
  /** null where the format knows none. */
  checkpoints: readonly Checkpoint[] | null;
  recoveries: readonly Recovery[];
}

/** Checks the checkpoints, and says how much of the chain is proven. `isTrusted`: whether a key is pinned. */
export async function supportOf(facts: ChainFacts, isTrusted: (key: string) => boolean): Promise<ChainSupport> {
  const checkpoints = await checkAll(facts);
  if (checkpoints.outcome === 'failed')
    return { checkpoints, extent: notChecked('a checkpoint failed'), provenLength: 0 };
  const first = facts.recoveries[0];
  if (first !== undefined) return { checkpoints, ...recoveredExtent(facts, first, isTrusted) };
  return { checkpoints, ...wholeExtent(facts) };
}

function wholeExtent(facts: ChainFacts): Omit<ChainSupport, 'checkpoints'> {
  const { length } = facts.tips;
  const last = facts.checkpoints?.at(-1);
  if (facts.checkpoints === null) {
    return { extent: proven(`the claim names the tip of all ${length} entries`, 'the claim'), provenLength: length };
  }
  if (last?.length === length) {
    return {
      extent: proven(`a checkpoint of the claim key covers all ${length} entries`, 'the claim key'),
      provenLength: length,
    };
  }
  const covered = last?.length ?? 0;
  const detail = `checkpoints cover ${covered} of ${length} entries`;
  return { extent: asserted(detail, 'a session file with its last checkpoint'), provenLength: covered };
}

/** What a successor found in its store is its word; only what the dead process signed can be proven, under its own key. */
function recoveredExtent(
  facts: ChainFacts,
  first: Recovery,
  isTrusted: (key: string) => boolean,
): Omit<ChainSupport, 'checkpoints'> {
  const last = facts.tips.length - 1;
  const { oldKey, covered } = first;
  const carried = facts.checkpoints?.some((checkpoint) => checkpoint.key === oldKey && checkpoint.length === covered);
  if (carried !== true) {
    const detail = `recovered session: no checkpoint of the earlier process is here, entries 0 to ${last} are asserted`;
    return { extent: asserted(detail), provenLength: 0 };
  }
  const spoken = covered === 1 ? 'entry 0 is' : `entries 0 to ${covered - 1} are`;
  if (!isTrusted(oldKey)) {
    const detail = `recovered session: ${spoken} signed by an earlier key that is not pinned, the rest is asserted`;
    return { extent: asserted(detail, '--key FILE'), provenLength: 0 };
  }
  const detail = `recovered session: ${spoken} proven under the earlier key, entries ${covered} to ${last} are asserted`;
  return { extent: asserted(detail), provenLength: covered };
}

async function checkAll(facts: ChainFacts): Promise<Finding> {
  const { checkpoints } = facts;
  if (checkpoints === null) return proven('this form has no checkpoints; the claim names the tip');
  for (const [i, checkpoint] of checkpoints.entries()) {
    const problem = placement(facts, checkpoint, checkpoints.slice(0, i));
    if (problem !== null) return failed(`checkpoint ${i}: ${problem}`);
    const result = await verifyEd25519(checkpoint.key, checkpoint.signature, checkpointPreimage(checkpoint));
    const signed = signatureFinding(result, `checkpoint ${i}`, 'the key it names');
    if (signed.outcome !== 'proven') return signed;
  }
  const detail = `${checkpoints.length} checkpoints, each signed and in agreement with the chain`;
  return checkpoints.length === 0
    ? notChecked('the file has no checkpoint', 'a session file with its last checkpoint')
    : proven(detail);
}

function placement(facts: ChainFacts, checkpoint: Checkpoint, earlier: readonly Checkpoint[]): string | null {
  if (checkpoint.session_id !== facts.sessionId) return 'it is of another session';
  if (facts.tips.at(checkpoint.length) !== checkpoint.tip) return 'it says that the chain was another';
  if ((earlier.at(-1)?.length ?? 0) >= checkpoint.length) return 'it is not longer than the one before it';
  // One per key, so that none can be left out without being missed.
  if (earlier.some(({ key }) => key === checkpoint.key)) return 'a file carries only the last checkpoint of each key';
  return signerProblem(facts, checkpoint);
}

function signerProblem({ claimKey, recoveries }: ChainFacts, checkpoint: Checkpoint): string | null {
  if (checkpoint.key === claimKey) {
    const takenOver = recoveries.at(-1)?.at ?? -1;
    return checkpoint.length > takenOver ? null : 'it is signed by a key that had not taken the session over yet';
  }
  const successor = recoveries.find((recovery) => recovery.oldKey === checkpoint.key);
  if (successor === undefined) return 'it is signed by a key that this session does not name';
  return checkpoint.length <= successor.covered ? null : 'it covers more than the recovery says that it did';
}
