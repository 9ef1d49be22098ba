import { generateKeyPairSync, sign } from 'node:crypto';
import {
  bundleDigest,
  type Checkpoint,
  checkpointPreimage,
  claimPreimage,
  encodeBase64Url,
  entryHash,
  keyId,
  keySubject,
  type SessionFile,
} from '@cmcp/evidence';

/** A copy with one bit of one byte changed: the first letter of the name of the tool that call `callId` was about. */
export function flipOneByte(text: string, callId: string): { bytes: Uint8Array; offset: number } {
  const call = text.indexOf(`"call_id":"${callId}"`);
  const name = text.indexOf('"tool_name":"', call);
  if (call < 0 || name < 0) throw new Error(`the session file has no entry of call ${callId}`);
  const offset = Buffer.byteLength(text.slice(0, name + '"tool_name":"'.length));
  const bytes = Buffer.from(text);
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
  return { bytes, offset };
}

/**
 * The best forgery without the gateway's key: the entry of `callId` is rewritten, every hash after it is computed anew, and
 * everything that is signed is signed again with a fresh key, which the claim then names. Nothing in it contradicts itself.
 */
export function forge(original: SessionFile, callId: string): SessionFile {
  const signer = freshSigner();
  const file = structuredClone(original);
  const { entries } = file.bundle;
  const rewritten = entries.find((entry) => entry.call_id === callId);
  if (rewritten === undefined) throw new Error(`the session has no call ${callId}`);
  rewritten.request_payload_hash = `sha256:${'0'.repeat(64)}`;
  entries.forEach((entry, i) => {
    entry.prev_entry_hash = entries[i - 1]?.entry_hash ?? entry.prev_entry_hash;
    entry.entry_hash = entryHash(entry);
  });
  file.bundle.bundle_signature = signer.sign(bundleDigest(entries));
  file.checkpoints = file.checkpoints.map((checkpoint) => recheckpoint(file, checkpoint, signer));
  reclaim(file, signer);
  return file;
}

function recheckpoint(file: SessionFile, checkpoint: Checkpoint, signer: Signer): Checkpoint {
  const tip = file.bundle.entries[checkpoint.length - 1]?.entry_hash;
  if (tip === undefined) throw new Error('a checkpoint covers more entries than there are');
  const moved = { ...checkpoint, tip, key: signer.x };
  return { ...moved, signature: signer.sign(checkpointPreimage(moved)) };
}

function reclaim({ claim, bundle }: SessionFile, signer: Signer): void {
  const [first, last] = [bundle.entries[0], bundle.entries.at(-1)];
  if (first === undefined || last === undefined) throw new Error('the session has no entries');
  claim.trace.subject = keySubject(signer.x);
  claim.trace.cnf.jwk = { kty: 'OKP', crv: 'Ed25519', x: signer.x, kid: keyId(signer.x) };
  claim.trace.tool_transcript.hash = `sha256:${last.entry_hash}`;
  claim.gateway.audit_chain = { root: first.entry_hash, tip: last.entry_hash, length: bundle.entries.length };
  claim.signature = signer.sign(claimPreimage(claim));
}

interface Signer {
  /** Raw public key, base64url. */
  x: string;
  sign(bytes: Uint8Array): string;
}

function freshSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  if (x === undefined) throw new Error('an Ed25519 key without x');
  return { x, sign: (bytes) => encodeBase64Url(sign(null, bytes, privateKey)) };
}
