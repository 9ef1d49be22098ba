import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { MANIFEST_DEPTH } from '../json/manifest-form.ts';
import type { JsonObject } from '../json/value.ts';
import { type CoseEnvelope, openEnvelope } from './cose.ts';

/** A manifest is a few kilobytes; one with a long list of tools is still far below this. */
const MAX_BYTES = 1024 * 1024;
const LIMITS = { bytes: MAX_BYTES, depth: MANIFEST_DEPTH };

/** A manifest as it was found: a JSON document, or one inside a COSE envelope. Nothing about it has been verified. */
export interface Manifest {
  document: JsonObject;
  /** null: a bare JSON document. */
  envelope: CoseEnvelope | null;
}

/**
 * Reads a manifest in either of its forms: JSON (version 0.1, with a detached signature) or a COSE envelope (version 0.2).
 *
 * @throws FormatError for anything that is neither, strictly: see {@link openEnvelope} and {@link readJsonObject}
 */
export function readManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MAX_BYTES) throw new FormatError(`a manifest is not larger than ${MAX_BYTES} bytes`);
  // JSON text starts with ASCII, a CBOR tag or array does not: no bytes are both.
  if ((bytes[0] ?? 0) < 0x80) return { document: readJsonObject(bytes, 'the manifest', LIMITS), envelope: null };
  const envelope = openEnvelope(bytes);
  return { document: readJsonObject(envelope.payload, 'the payload', LIMITS), envelope };
}
