import { encodeUtf8 } from '../bytes/utf8.ts';
import { canonicalManifest } from '../json/manifest-form.ts';
import { isObject, type JsonObject, member, setMember } from '../json/value.ts';

/** The members that a detached signature of version 0.1 covers, whatever the manifest says that it covers. */
const SIGNED = [
  '@context',
  '@type',
  'manifest_id',
  'previous_manifest_id',
  'agent_id',
  'agent_instance_id',
  'version',
  'min_verifier_version',
  'issued_at',
  'expires_at',
  'issuer',
  'crypto_profile',
  'profile',
  'unbound_artifacts',
  'source_bundle',
  'artifacts',
  'delegation_chain',
  'hitl_record',
  'prior_transparency_log_entry',
  'log_retention',
  'data_scope',
  'operational_lifecycle',
  'intent',
];

/** The bytes that a detached signature of version 0.1 is over (wire-formats section 16.2). Approvals come later: they count as none. */
export function signedBytes(document: JsonObject): Uint8Array<ArrayBuffer> {
  const signed: JsonObject = {};
  for (const name of SIGNED) {
    const value = member(document, name);
    if (value !== undefined) setMember(signed, name, value);
  }
  const hitl = member(document, 'hitl_record');
  if (isObject(hitl)) setMember(signed, 'hitl_record', { ...hitl, approvals: [] });
  return manifestBytes(signed);
}

/** The bytes whose hash hardware evidence of a version 0.1 manifest names: all but what is attached after signing. */
export function attestedBytes(document: JsonObject): Uint8Array<ArrayBuffer> {
  const { attestation: _, transparency_log_entry: __, ...rest } = document;
  return manifestBytes(rest);
}

/** The bytes that a signature over some members of a record is over. A member that is missing is left out, as one that is null is. */
export function recordBytes(members: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  return manifestBytes(
    Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JsonObject,
  );
}

/** UTF-8 of the canonical form of manifests. */
export function manifestBytes(value: JsonObject): Uint8Array<ArrayBuffer> {
  return encodeUtf8(canonicalManifest(value));
}
