import { isAcceptableKeyText } from '../crypto/ed25519.ts';
import { digest } from '../crypto/sha256.ts';
import { FormatError } from '../format-error.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { readJsonObject } from '../json/document.ts';
import { type JsonObject, member } from '../json/value.ts';
import { list, object, oneOf, openObject, text } from '../shape.ts';

/** Who counts as the approver of one name. */
export interface Approver {
  /** Names of operators, as the operator interface establishes them, whose word it is. */
  operators: readonly string[];
  /** Raw Ed25519 public keys (base64url) of their own. */
  keys: readonly string[];
  /** Whether a word without a signature of one of the keys counts. */
  signature: 'required' | 'optional';
}

/** The approvers of a configuration, by name. */
export type Approvers = Readonly<Record<string, Approver>>;

const TEXT = text();
const APPROVERS = openObject(
  object({ operators: list(TEXT) }, { keys: list(TEXT), signature: oneOf('required', 'optional') }),
);
const LIMITS = { bytes: 256 * 1024, depth: 6, items: 4_000 };

/** Reads the approvers that a relying party holds: JSON as `approvals.approvers` in the configuration. @throws FormatError */
export function readApprovers(input: Uint8Array | string): Approvers {
  const value = readJsonObject(input, 'the file of approvers', LIMITS);
  const problem = APPROVERS(value, 'approvers');
  if (problem !== null) throw new FormatError(problem);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, approverOf(item as JsonObject)]));
}

function approverOf(given: JsonObject): Approver {
  const keys = (member(given, 'keys') ?? []) as string[];
  const unusable = keys.find((key) => !isAcceptableKeyText(key));
  if (unusable !== undefined) throw new FormatError(`${JSON.stringify(unusable)} is not an Ed25519 public key`);
  return {
    operators: given.operators as string[],
    keys,
    signature: member(given, 'signature') === 'required' ? 'required' : 'optional',
  };
}

/** What session_start names as `approvers_hash`. Order has no meaning. */
export function approversDigest(approvers: Approvers): string {
  const rows = Object.entries(approvers)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { operators, keys, signature }]) => [name, operators.toSorted(), keys.toSorted(), signature]);
  return digest(canonicalSorted(rows));
}
