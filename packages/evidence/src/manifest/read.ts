import { FormatError } from '../format-error.ts';
import { JsonError } from '../json/error.ts';
import { MANIFEST_DEPTH } from '../json/manifest-form.ts';
import { parseJson } from '../json/parse.ts';
import { isObject, type JsonObject } from '../json/value.ts';
import { type CoseEnvelope, openEnvelope } from './cose.ts';

/** A manifest is a few kilobytes; one with a long list of tools is still far below this. */
const MAX_BYTES = 1024 * 1024;

/** A manifest as it was found: a JSON document, or one inside a COSE envelope. Nothing about it has been verified. */
export interface Manifest {
  document: JsonObject;
  /** null: a bare JSON document. */
  envelope: CoseEnvelope | null;
}

/**
 * Reads a manifest in either of its forms: JSON (version 0.1, with a detached signature) or a COSE envelope (version 0.2).
 *
 * @throws FormatError for anything that is neither, strictly: see {@link openEnvelope} and {@link parseJson}
 */
export function readManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MAX_BYTES) throw new FormatError(`a manifest is not larger than ${MAX_BYTES} bytes`);
  // JSON text starts with ASCII, a CBOR tag or array does not: no bytes are both.
  if ((bytes[0] ?? 0) < 0x80) return { document: parseDocument(bytes, 'the manifest'), envelope: null };
  const envelope = openEnvelope(bytes);
  return { document: parseDocument(envelope.payload, 'the payload'), envelope };
}

function parseDocument(bytes: Uint8Array, what: string): JsonObject {
  try {
    const value = parseJson(bytes, { bytes: MAX_BYTES, depth: MANIFEST_DEPTH });
    if (!isObject(value)) throw new FormatError(`${what} is not a JSON object`);
    return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new FormatError(`${what} is not strict JSON: ${error.message}`);
  }
}
