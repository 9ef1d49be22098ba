import { encodeBase64Url } from '../bytes/base64url.ts';
import { decodeHex } from '../bytes/hex.ts';
import { signatureFinding } from '../claim/self.ts';
import { verifyEd25519 } from '../crypto/ed25519.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import type { TrustedKey } from '../expectations.ts';
import { type Finding, failed, notChecked, proven, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { jcsBytes, readJsonObject } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import type { Check } from '../report.ts';
import { object, oneOf, text, time } from '../shape.ts';

/** What the relying party expects of a decision receipt. */
export interface DecisionGiven {
  /** The key that its issuer signs with. */
  key: TrustedKey;
  policyDigest: string;
  sessionId: string;
  /** The receipt that was issued before this one, whole. Left out: none is known. */
  previous?: Uint8Array | string;
}

interface DecisionReceipt extends JsonObject {
  payload: JsonObject & {
    policy_digest: string;
    session_id: string;
    issuer_id: string;
    previousReceiptHash?: string;
  };
  signature: { alg: string; kid: string; sig: string };
}

const RECEIPT = object({
  payload: object(
    {
      type: oneOf('protectmcp:decision'),
      tool_name: text(),
      decision: oneOf('allow', 'deny'),
      policy_digest: text(),
      session_id: text(),
      issued_at: time,
      issuer_id: text(),
    },
    { reason: text(), previousReceiptHash: text(/^[0-9a-f]{64}$/) },
    'allowed',
  ),
  signature: object({ alg: oneOf('EdDSA'), kid: text(), sig: text(/^[0-9a-f]{128}$/) }),
});

/**
 * Verifies an ACTA decision receipt: Ed25519 directly over the RFC 8785 form of its `payload`, and a link to the receipt before
 * it. Total: never throws. Nothing of a receipt that is not signed is compared.
 */
export async function verifyDecisionReceipt(input: Uint8Array | string, given: DecisionGiven): Promise<Check[]> {
  try {
    return await receiptChecks(parseDecisionReceipt(input), given);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return [required('decision-receipt.form', 'Have the receipts their form?', failed(error.message))];
  }
}

/** Reads a decision receipt. @throws FormatError */
function parseDecisionReceipt(input: Uint8Array | string): DecisionReceipt {
  const value = readJsonObject(input, 'the decision receipt', { bytes: 1024 * 1024, depth: 32, items: 20_000 });
  const problem = RECEIPT(value, 'receipt');
  if (problem !== null) throw new FormatError(problem);
  const receipt = value as DecisionReceipt;
  if (receipt.payload.issuer_id !== receipt.signature.kid)
    throw new FormatError('receipt.signature.kid is not the issuer that the payload names');
  return receipt;
}

async function receiptChecks(receipt: DecisionReceipt, { key, ...given }: DecisionGiven): Promise<Check[]> {
  const { payload } = receipt;
  const previous = given.previous === undefined ? null : parseDecisionReceipt(given.previous);
  const signature = await signatureOf(receipt, key);
  const signed = signature.outcome === 'proven';
  const compare = (said: string, expected: string, what: string): Finding =>
    provenUnless(said === expected ? null : `the receipt names another ${what}`, `it names this ${what}`, expected);
  const unless = (finding: Finding): Finding =>
    signed ? finding : notChecked('the receipt is not shown to be genuine');
  return [
    required('decision-receipt.signature', 'Did the issuer sign it?', signature),
    required('decision-receipt.chain', 'Does it follow the receipt before it?', unless(link(payload, previous))),
    required(
      'decision-receipt.policy_freshness',
      'Was it decided under the current policy?',
      unless(compare(payload.policy_digest, given.policyDigest, 'policy')),
    ),
    required(
      'decision-receipt.session_binding',
      'Is it of this session?',
      unless(compare(payload.session_id, given.sessionId, 'session')),
    ),
  ];
}

async function signatureOf({ payload, signature }: DecisionReceipt, key: TrustedKey): Promise<Finding> {
  const raw = encodeBase64Url(decodeHex(signature.sig));
  const result = await verifyEd25519(key.x, raw, jcsBytes(payload, 'the payload'));
  return signatureFinding(result, 'the receipt', key.source);
}

/** A receipt names its predecessor by the hash of all of it, its signature included. */
function link({ previousReceiptHash: said }: DecisionReceipt['payload'], previous: DecisionReceipt | null): Finding {
  if (said === undefined)
    return previous === null ? notChecked('it names no receipt before it') : failed('it names no receipt before it');
  if (previous === null) return notChecked('the receipt before it was not given');
  return said === sha256Hex(jcsBytes(previous, 'the receipt before it'))
    ? proven('it follows the receipt given', 'the receipt given')
    : failed('it follows another receipt', 'the receipt given');
}
