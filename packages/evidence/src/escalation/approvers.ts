import { digest } from '../crypto/sha256.ts';
import { FormatError } from '../format-error.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { readJsonObject } from '../json/document.ts';
import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';
import { readKeyText } from '../relying-party.ts';
import { flag, list, object, openObject, text } from '../shape.ts';

/** Who counts as an approver of one name. */
export interface Approver {
  /** Sorted names, as the operator interface establishes them. */
  operators: string[];
  /** Sorted Ed25519 public keys, raw, base64url. */
  keys: string[];
  /** Nobody counts by word alone. */
  requiredSignature: boolean;
}

/** The approvers of a configuration, by name. */
export type Approvers = ReadonlyMap<string, Approver>;

/** As the configuration names operators: with spaces in between. */
const OPERATOR = text(/^[!-~](?:[ -~]{0,254}[!-~])?$/);
const APPROVERS = openObject(object({}, { operators: list(OPERATOR), keys: list(text()), required_signature: flag }));
const LIMITS = { bytes: 256 * 1024, depth: 6, items: 4_000 };

/** Reads the approvers that a relying party holds: JSON as `approvals.approvers` in the configuration. @throws FormatError */
export function readApprovers(input: Uint8Array | string): Approvers {
  const value = readJsonObject(input, 'the file of approvers', LIMITS);
  const problem = APPROVERS(value, 'approvers');
  if (problem !== null) throw new FormatError(problem);
  const unfit = Object.keys(value).find((name) => !/^[!-+\--~]{1,256}$/.test(name));
  // Entries join names by commas.
  if (unfit !== undefined) throw new FormatError(`${JSON.stringify(unfit)} is no name of approvers`);
  return new Map(Object.entries(value).map(([name, item]) => [name, approverOf(name, item)]));
}

function approverOf(name: string, value: JsonValue): Approver {
  const asked = isObject(value) ? value : {};
  const keys = textsAt(asked, 'keys').map((key) => {
    const x = readKeyText(key);
    if (x === null) throw new FormatError(`approvers.${name}.keys has what is no Ed25519 public key`);
    return x;
  });
  return {
    operators: textsAt(asked, 'operators').sort(),
    keys: keys.sort(),
    requiredSignature: member(asked, 'required_signature') === true,
  };
}

function textsAt(object: JsonObject, key: string): string[] {
  const items = member(object, key);
  return Array.isArray(items) ? items.map(String) : [];
}

/** What session_start names as `approvers_hash`. */
export function approversDigest(approvers: Approvers): string {
  const members = [...approvers].map(([name, { operators, keys, requiredSignature }]) => [
    name,
    { operators: operators.toSorted(), keys: keys.toSorted(), required_signature: requiredSignature },
  ]);
  return digest(canonicalSorted(Object.fromEntries(members)));
}
