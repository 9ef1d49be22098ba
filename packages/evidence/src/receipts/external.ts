import type { ChainEntry } from '../audit/chain-entry.ts';
import type { Witness } from '../audit/observer.ts';
import { readBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { isAcceptableKeyText, verifyEd25519 } from '../crypto/ed25519.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import type { TrustedKey } from '../expectations.ts';
import { FormatError } from '../format-error.ts';
import { canonicalSortedWithout } from '../json/canonical.ts';
import type { JsonObject, JsonValue } from '../json/value.ts';
import { object, oneOf, text } from '../shape.ts';

/** What an outside controller says it did in a call, as an audit entry carries it (wire-formats section 14.1). */
export interface ExternalReceipt extends JsonObject {
  issuer: string;
  issuer_key_id: string;
  signature: string;
  evidence_hash: string;
  evidence_type: string;
  linked_call_id: string;
}

/** A receipt, the entry that carries it, and the call of that entry. */
export interface CarriedReceipt {
  /** The place of the entry in the chain, from 0. */
  at: number;
  callId: string | null;
  receipt: JsonValue;
}

/** Takes the receipts of outside controllers out of the entries of a chain. */
export class CarriedReceipts implements Witness {
  readonly list: CarriedReceipt[] = [];

  see({ raw, callId }: ChainEntry, at: number): void {
    const receipt = raw.external_execution_evidence ?? null;
    if (receipt !== null) this.list.push({ at, callId, receipt });
  }
}

const RECEIPT = object({
  issuer: text(),
  issuer_key_id: text(/^[0-9a-f]{64}$/),
  signature: text(),
  evidence_hash: text(/^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96})$/),
  evidence_type: oneOf('controller-execution-receipt/v1', 'tee-signed-receipt', 'controller-jwt', 'opaque-receipt'),
  linked_call_id: text(),
});

/** Reads a receipt. @throws FormatError */
function parseExternalReceipt(value: JsonValue): ExternalReceipt {
  const problem = RECEIPT(value, 'receipt');
  if (problem !== null) throw new FormatError(problem);
  return value as ExternalReceipt;
}

/** What became of one receipt. `unknown-issuer`: nothing was checked, which is not to say that it is forged. */
export type ReceiptStanding =
  | { is: 'genuine'; issuer: TrustedKey }
  | { is: 'malformed' | 'of-another-call' | 'forged' | 'unknown-issuer' | 'unsupported'; problem: string };

/**
 * Whether a receipt is about the call of the entry that carries it, and whether a trusted controller signed it. In this order: a
 * genuine receipt of another call is no receipt of this one (defect D-37).
 */
export async function standingOf(
  { callId, receipt: value }: Pick<CarriedReceipt, 'callId' | 'receipt'>,
  keys: ReadonlyMap<string, TrustedKey>,
): Promise<ReceiptStanding> {
  let receipt: ExternalReceipt;
  try {
    receipt = parseExternalReceipt(value);
  } catch (error) {
    if (error instanceof FormatError) return { is: 'malformed', problem: error.message };
    throw error;
  }
  if (receipt.linked_call_id !== callId) return { is: 'of-another-call', problem: 'the receipt is of another call' };
  const issuer = keys.get(receipt.issuer_key_id);
  if (issuer === undefined) return { is: 'unknown-issuer', problem: `the key ${receipt.issuer_key_id} was not given` };
  const message = encodeUtf8(canonicalSortedWithout(receipt, 'signature'));
  switch (await verifyEd25519(issuer.x, receipt.signature, message)) {
    case 'valid':
      return { is: 'genuine', issuer };
    case 'invalid':
      return { is: 'forged', problem: 'the signature over the receipt is not valid under the key that it names' };
    case 'unsupported':
      return { is: 'unsupported', problem: 'this engine has no Ed25519 in WebCrypto' };
  }
}

/** Keys by the id that receipts name them by: hex SHA-256 of the raw key. A key that signs nothing safely is left out. */
export function keysById(keys: readonly TrustedKey[]): Map<string, TrustedKey> {
  const usable = keys.filter(({ x }) => isAcceptableKeyText(x));
  return new Map(usable.map((key) => [controllerKeyId(key.x), key]));
}

/** The id of a controller's key; empty for text that is not base64url. */
export function controllerKeyId(x: string): string {
  const raw = readBase64Url(x);
  return raw === null ? '' : sha256Hex(raw);
}
