import {
  canonicalSorted,
  FormatError,
  isObject,
  type JsonObject,
  type JsonValue,
  policyKeyId,
  readSuccession,
} from '@cmcp/evidence';
import { storedObject } from '../audit/stored-object.ts';
import { GatewayError } from '../errors.ts';
import { dottedVersion, laterVersion } from './version.ts';

/** What a store remembers of signed bundles and of the keys that sign them: it only grows (D-15, D-16). */
export interface Standing {
  /** The newest bundle that was activated under a pinned key, with the hash that was pinned beside the key then. */
  activated: Activated | null;
  /** Ids of keys that sign nothing any more. */
  revoked: readonly string[];
  /** Accepted statements of succession, as they were signed, in the order in which they were accepted. */
  successions: readonly JsonObject[];
}

export interface Activated {
  version: string;
  hash: string;
  pin: string | null;
}

export const NO_STANDING: Standing = { activated: null, revoked: [], successions: [] };

const FORM = 1;

/** The text that is stored. */
export function standingText({ activated, revoked, successions }: Standing): string {
  const row = activated && { ...activated };
  return canonicalSorted({ cmcp_standing: FORM, activated: row, revoked: [...revoked], successions: [...successions] });
}

/** Reads what {@link standingText} wrote; null for anything else. */
export function readStanding(text: string): Standing | null {
  const standing = standingIn(storedObject(text));
  // Whatever was left out, added or spelled otherwise shows here.
  return standing !== null && standingText(standing) === text ? standing : null;
}

/** The same of another store. What is not understood could hide a revocation. @throws GatewayError STORE_INVALID */
export function standingElsewhere(text: string): Standing {
  const standing = readStanding(text);
  if (standing !== null) return standing;
  throw new GatewayError(
    'STORE_INVALID',
    'what another store of the data folder remembers of policy keys cannot be read',
  );
}

/**
 * Of two, what holds: whatever either store revoked, the newer of what they activated. Who may succeed is said by the first alone, whose
 * text was written with its store's key.
 */
export function mergeStandings(own: Standing, other: Standing): Standing {
  const revoked = [...new Set([...own.revoked, ...other.revoked])];
  return { ...own, revoked, activated: newer(own.activated, other.activated) };
}

/**
 * The key that may sign now, as JWK member `x`: the pinned one, or once that is revoked, the successor that it named before. Null when
 * none is left.
 */
export function keyInForce({ revoked, successions }: Standing, pinned: string): string | null {
  const seen = new Set<string>();
  for (let x: string | undefined = pinned; x !== undefined; ) {
    const keyId = policyKeyId(x);
    if (!revoked.includes(keyId)) return x;
    // Keys that name each other lead nowhere.
    if (seen.has(keyId)) return null;
    seen.add(keyId);
    x = successorOf(successions, keyId);
  }
  return null;
}

/** The successor that a key named last, as JWK member `x`. */
export function successorOf(successions: readonly JsonObject[], keyId: string): string | undefined {
  return successions.map(readSuccession).findLast(({ currentKeyId }) => currentKeyId === keyId)?.successor;
}

function newer(a: Activated | null, b: Activated | null): Activated | null {
  if (a === null || b === null) return a ?? b;
  return laterVersion(dottedVersion(b.version) ?? [], dottedVersion(a.version) ?? []) ? b : a;
}

function standingIn({ activated, revoked, successions }: JsonObject): Standing | null {
  const row = activated === null ? null : activatedIn(activated);
  if (row === undefined || !Array.isArray(revoked) || !Array.isArray(successions)) return null;
  const ids = revoked.filter((id) => typeof id === 'string');
  const statements = successions.filter(isStatement);
  const whole = ids.length === revoked.length && statements.length === successions.length;
  return whole ? { activated: row, revoked: ids, successions: statements } : null;
}

function isStatement(value: JsonValue): value is JsonObject {
  try {
    readSuccession(value);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function activatedIn(value: JsonValue | undefined): Activated | undefined {
  const { version, hash, pin } = isObject(value) ? value : {};
  if (typeof version !== 'string' || typeof hash !== 'string' || dottedVersion(version) === null) return undefined;
  return pin === null || typeof pin === 'string' ? { version, hash, pin } : undefined;
}
