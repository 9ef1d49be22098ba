import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import { integer, list, object, oneOf, text } from '../shape.ts';

/** How a statement or a bundle is signed. Which algorithm is used is decided by the key; this must agree with it. */
export interface RevocationSignature {
  alg: string;
  value: string;
}

/** `TraceRevocation/1.0`: from an entry of a transparency log on, a key's records are no longer valid (wire-formats section 13). */
export interface RevocationStatement extends JsonObject {
  compromised_key_id: string;
  last_valid_entry_id: string;
  log_id: string;
  revocation_key_id: string;
  sig: RevocationSignature & JsonObject;
}

/** `TraceRevocationBundle/1.0`: what one log knew of revoked keys, and until when that may be relied on. */
export interface RevocationBundle extends JsonObject {
  log_id: string;
  /** Seconds since the epoch. */
  issued_at: number;
  /** Seconds since the epoch; the last second at which the bundle says anything. */
  valid_until: number;
  statements: RevocationStatement[];
  bundle_key_id: string;
  sig: RevocationSignature & JsonObject;
}

const NAME = text(/./s);
const TIME = integer(1_700_000_000);
const SIGNATURE = object({ alg: oneOf('ed25519', 'ES256', 'ES384'), value: text(/^[A-Za-z0-9_-]+$/) });

const STATEMENT = object(
  {
    type: oneOf('TraceRevocation/1.0'),
    compromised_key_id: NAME,
    last_valid_entry_id: NAME,
    log_id: NAME,
    revocation_key_id: NAME,
    sig: SIGNATURE,
  },
  { revoked_after_entry: NAME, reason: text(), revoked_at: TIME },
);

const BUNDLE = object({
  type: oneOf('TraceRevocationBundle/1.0'),
  log_id: NAME,
  issued_at: TIME,
  valid_until: TIME,
  statements: list(STATEMENT),
  bundle_key_id: NAME,
  sig: SIGNATURE,
});

/**
 * Reads a revocation bundle. Every statement in it must be about the bundle's own log: entry ids of two logs cannot be compared.
 *
 * @throws FormatError
 */
export function parseRevocationBundle(input: Uint8Array | string): RevocationBundle {
  const value = readJsonObject(input, 'the revocation bundle');
  const problem = BUNDLE(value, 'bundle');
  if (problem !== null) throw new FormatError(problem);
  const bundle = value as RevocationBundle;
  if (bundle.valid_until < bundle.issued_at) throw new FormatError('the bundle ends before it was issued');
  const foreign = bundle.statements.findIndex(({ log_id }) => log_id !== bundle.log_id);
  if (foreign >= 0) throw new FormatError(`bundle.statements[${foreign}] is about another log than the bundle`);
  return bundle;
}
