import { type Finding, failed, notChecked, proven } from '../finding.ts';
import { member } from '../json/value.ts';
import type { TrustRecord } from './parse.ts';

/**
 * Whether the record has what TRACE asks of a level (wire-formats section 9). Level 1 asks for a key that a TEE holds, which a
 * record cannot show: that is asked apart.
 *
 * @param anchored whether an inclusion proof was checked and holds; null when none was given
 */
export function levelReached(record: TrustRecord, wanted: 0 | 1 | 2, anchored: boolean | null): Finding {
  const against = `level ${wanted}`;
  if (wanted >= 1) {
    const problem = levelOneProblem(record);
    if (problem !== null) return failed(problem, against);
  }
  if (wanted === 2) {
    if (member(record, 'transparency') === undefined) return failed('the record names no transparency log', against);
    if (anchored === null)
      return notChecked('level 2 asks for a proof that the record is in the registry', '--anchor-proof FILE');
    if (!anchored) return failed('the record is not shown to be in the registry', against);
  }
  return proven(`the record has what level ${wanted} asks for`, against);
}

function levelOneProblem({ runtime, appraisal }: TrustRecord): string | null {
  if (runtime.platform === 'software-only') return 'the record is a software record: level 0';
  if (/^sha\d+:0+$/.test(runtime.measurement)) return 'the record has a measurement of zeros: level 0';
  if (appraisal.status !== 'affirming') return `the appraisal in the record is ${appraisal.status}: level 0`;
  return null;
}
