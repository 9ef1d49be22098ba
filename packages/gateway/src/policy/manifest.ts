import {
  canonicalSorted,
  isObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  member,
  parseJson,
} from '@cmcp/evidence';
import { nearest } from '../config/nearest.ts';
import { type BundleText, refuseBundle } from './text.ts';

const REQUIRED = ['version', 'authored_at', 'author_identity', 'commit_sha'];
const KNOWN = [...REQUIRED, 'approval_chain', 'agent_os_version', 'signature', 'cmcp_request'];

export interface Manifest {
  /** As written, every member: all but `signature` is hashed. */
  raw: JsonObject;
  version: string;
  /** Ed25519, base64url; null: not signed. Not checked here. */
  signature: string | null;
  /** Which Cedar request the bundle's policies were written for (contracts section 7). */
  request: 'native' | 'compat';
}

/** Reads `manifest.json` (wire-formats section 4, and `cmcp_request`). @throws GatewayError POLICY_INVALID */
export function readManifest(file: BundleText): Manifest {
  const raw = parse(file);
  if (!isObject(raw)) throw refuseBundle(file.path, 'must be a JSON object', 1);
  for (const key of REQUIRED) requireText(raw, key, file);
  for (const key of ['agent_os_version', 'signature']) if (Object.hasOwn(raw, key)) requireText(raw, key, file);
  const chain = member(raw, 'approval_chain');
  if (chain !== undefined && !Array.isArray(chain)) throw refuseBundle(file.path, '"approval_chain" must be an array');
  const request = member(raw, 'cmcp_request');
  if (request !== undefined && request !== 1) {
    throw refuseBundle(file.path, '"cmcp_request" must be 1; leave it out for policies written for the reference');
  }
  refuseUnknown(raw, request === 1, file);
  const signature = member(raw, 'signature');
  return {
    raw,
    version: String(member(raw, 'version')),
    signature: typeof signature === 'string' ? signature : null,
    request: request === 1 ? 'native' : 'compat',
  };
}

function parse(file: BundleText): JsonValue {
  try {
    const value = parseJson(file.text, { depth: 32 });
    // What cannot be hashed, such as 1e999, is refused here.
    canonicalSorted(value);
    return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const before = file.text.slice(0, error.offset);
    throw refuseBundle(file.path, `not acceptable JSON: ${error.message}`, before.split('\n').length);
  }
}

function requireText(raw: JsonObject, key: string, { path }: BundleText): void {
  const value = member(raw, key);
  if (value === undefined) throw refuseBundle(path, `"${key}" is missing; add it`);
  // The version goes into claims, which hold printable ASCII only (wire-formats section 2.1).
  if (typeof value !== 'string' || !/^[ -~]{1,512}$/.test(value)) {
    throw refuseBundle(path, `"${key}" must be 1 to 512 printable ASCII characters`);
  }
}

/** The reference hashes and ignores other members. Ours are closed, and `cmcp…` is never a member we do not know. */
function refuseUnknown(raw: JsonObject, native: boolean, { path }: BundleText): void {
  for (const key of Object.keys(raw)) {
    if (KNOWN.includes(key) || !(native || /^cmcp/i.test(key))) continue;
    throw refuseBundle(path, `unknown member "${key}"; remove it, or did you mean "${nearest(key, KNOWN)}"?`);
  }
}
