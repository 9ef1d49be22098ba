import type { Fields, Place } from './fields.ts';
import { FINGERPRINT, readUrl, SHA256 } from './server-rules.ts';
import type { PeerPins, ServerTransport } from './types.ts';

type HttpTransport = Extract<ServerTransport, { kind: 'http' }>;

/** Means "not pinned" in the reference's catalogs (wire-formats 6.3). */
const UNPINNED = /^SHA256:A{43}=?$/;
const NO_KEY = `sha256:${'0'.repeat(64)}`;
/** A rotation window: the key in use, the next one, and room for two sites that rotate apart. */
const MAX_PINS = 4;

/** SPIFFE-ID section 2: a trust domain in lower case, and a path without empty or dot segments. */
const SPIFFE_ID = {
  pattern: /^(?=.{1,2048}$)spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/,
  expected: 'a SPIFFE id, such as "spiffe://example.org/tools/notes"',
};
/** What the reference accepts; one that is no SPIFFE id equals none in any certificate. */
const ANY_SPIFFE_ID = { pattern: /^spiffe:\/\//, expected: 'a SPIFFE id ("spiffe://…") or null' };

/** Members of our form that say who an HTTP server is. */
export const PEER_MEMBERS = ['url', 'tls_fingerprint', 'spki_pins', 'spiffe_id', 'ca'];

/** An HTTP server of our form: its URL, and what it must show. Pins add to the validation of its certificate. */
export function readPeer(fields: Fields): HttpTransport {
  const url = readUrl(fields, 'url');
  const given = PEER_MEMBERS.slice(1).find((key) => (fields.get(key) ?? null) !== null);
  if (given !== undefined && !url.startsWith('https:')) {
    throw fields.place.at(given).refuse('pins the certificate of an https URL; use one, or remove it');
  }
  const fingerprint = fields.optionalText('tls_fingerprint', FINGERPRINT);
  const spki = readSpkiPins(fields);
  const ca = fields.optionalText('ca', SHA256);
  const spiffeId = fields.optionalText('spiffe_id', SPIFFE_ID);
  if (spiffeId !== null && ca === null) {
    throw fields.place
      .at('spiffe_id')
      .refuse('proves nothing under public authorities; add "ca", the digest of the certificate of its trust domain');
  }
  const placeholder = isPlaceholder(fingerprint) || spki.includes(NO_KEY);
  return transport(url, fingerprint, { spki, spiffeId, ca, placeholder });
}

/** An HTTP server of the reference's form, in which a fingerprint is required and may be a placeholder. */
export function readReferencePeer(fields: Fields, spiffeId: string | null): HttpTransport {
  const fingerprint = fields.text('tls_fingerprint', FINGERPRINT);
  const placeholder = isPlaceholder(fingerprint);
  return transport(readUrl(fields, 'url'), fingerprint, { spki: [], spiffeId, ca: null, placeholder });
}

export function readReferenceSpiffeId(fields: Fields): string | null {
  return fields.optionalText('spiffe_id', ANY_SPIFFE_ID);
}

function transport(url: string, fingerprint: string | null, pins: PeerPins): HttpTransport {
  const { spki, spiffeId, ca, placeholder } = pins;
  const bare = spki.length === 0 && spiffeId === null && ca === null && !placeholder;
  const tlsFingerprint = isPlaceholder(fingerprint) ? null : fingerprint;
  return { kind: 'http', url, tlsFingerprint, ...(bare ? {} : { pins }) };
}

function readSpkiPins(fields: Fields): string[] {
  if (fields.get('spki_pins') === undefined) return [];
  const place = fields.place.at('spki_pins');
  const items = fields.array('spki_pins', MAX_PINS);
  if (items.length === 0) throw place.refuse('names no key; remove it, or add the digest of one');
  const pins = items.map((item, index) => readPin(item, place.at(index)));
  if (new Set(pins).size < pins.length) throw place.refuse('names the same key twice; name each once');
  return pins;
}

function readPin(value: unknown, place: Place): string {
  if (typeof value === 'string' && SHA256.pattern.test(value)) return value;
  throw place.refuse(`must be ${SHA256.expected} of a public key (SubjectPublicKeyInfo)`);
}

function isPlaceholder(fingerprint: string | null): boolean {
  return fingerprint !== null && UNPINNED.test(fingerprint);
}
