import { equalBytes } from '../bytes/equal.ts';
import { asserted, type Finding, failed, informative, notChecked, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { JsonError } from '../json/error.ts';
import { isObject, JsonNumber, type JsonObject, type JsonValue, member } from '../json/value.ts';
import { rootOf } from '../merkle/inclusion.ts';
import { printable } from '../printable.ts';
import type { Check } from '../report.ts';
import { leafHash } from './leaf.ts';
import { type AnchorEntry, type AnchorProof, parseAnchorEntry, parseAnchorProof } from './parse.ts';

const INCLUSION = 'Is the record in the batch that the registry published?';
/** Clocks may differ by this much (wire-formats section 22). */
const SKEW_MICROS = 300e6;

/**
 * Whether a signed claim or Trust Record is in a batch of the registry (wire-formats section 12). Total: never throws. That the
 * registry did publish the entry is the word of whoever supplies it: it must come from a copy of the registry that the relying
 * party trusts, never from whoever supplies the record.
 */
export function verifyAnchor(signed: JsonObject, entry: Uint8Array | string, proof: Uint8Array | string): Check[] {
  try {
    return inclusionChecks(signed, parseAnchorEntry(entry), parseAnchorProof(proof));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return [required('anchor.form', 'Have registry entry and proof their forms?', failed(error.message))];
  }
}

function inclusionChecks(signed: JsonObject, entry: AnchorEntry, proof: AnchorProof): Check[] {
  return [
    required('anchor.inclusion', INCLUSION, inclusion(signed, entry, proof)),
    required('anchor.order', 'Was the record issued before it was anchored?', order(signed, entry)),
    informative(
      'anchor.time',
      'Since when does the record exist?',
      asserted(`since ${new Date(entry.micros / 1000).toISOString()} at the latest, by the registry's clock`),
    ),
  ];
}

function inclusion(signed: JsonObject, entry: AnchorEntry, { leafIndex, path }: AnchorProof): Finding {
  if (leafIndex >= entry.leafCount)
    return failed(`the batch has ${entry.leafCount} records, the proof is for number ${leafIndex + 1}`);
  const leaf = leafOf(signed);
  if (typeof leaf === 'string') return failed(leaf);
  const root = rootOf(leaf, leafIndex, entry.leafCount, path);
  const batch = `batch ${printable(entry.batchId)} of ${printable(entry.producer)}`;
  return provenUnless(
    root !== null && equalBytes(root, entry.root) ? null : 'the path does not lead from the record to the root',
    `the record is number ${leafIndex + 1} of ${entry.leafCount} in ${batch}`,
    'the registry entry given',
  );
}

/** The leaf, or why there is none. */
function leafOf(signed: JsonObject): Uint8Array<ArrayBuffer> | string {
  if (!onlyIntegers(signed)) return 'the record holds a number that is not an integer: registries take none';
  try {
    return leafHash(signed);
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    throw error;
  }
}

function onlyIntegers(value: JsonValue): boolean {
  if (value instanceof JsonNumber) return /^-?\d+$/.test(value.lexeme);
  if (Array.isArray(value)) return value.every(onlyIntegers);
  return isObject(value) ? Object.values(value).every(onlyIntegers) : true;
}

/** The leaf covers `iat`: a record cannot have been anchored before it was issued. */
function order(signed: JsonObject, { micros }: AnchorEntry): Finding {
  const trace = member(signed, 'trace');
  const iat = member(isObject(trace) ? trace : signed, 'iat');
  if (typeof iat !== 'number') return notChecked('the record does not say when it was issued');
  return provenUnless(
    iat * 1e6 <= micros + SKEW_MICROS ? null : 'the record says that it was issued after it was anchored',
    'the record was issued before it was anchored',
    'the registry entry given',
  );
}
