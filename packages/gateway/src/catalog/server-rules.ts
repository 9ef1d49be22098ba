import { isAbsolute } from 'node:path';
import { Fields, type Place, type TextRule } from './fields.ts';
import type { ServerTransport } from './types.ts';

const MAX_ARGUMENTS = 256;

const COMMAND: TextRule = { pattern: /^[^\0]+$/, expected: 'the path of a program' };
const ARGUMENT: TextRule = { pattern: /^[^\0]*$/, expected: 'a string without NUL' };
export const SHA256: TextRule = {
  pattern: /^sha256:[0-9a-f]{64}$/,
  expected: '"sha256:" and 64 lower-case hex digits',
};
export const FINGERPRINT: TextRule = {
  pattern: /^SHA256:[A-Za-z0-9+/=]{43,44}$/,
  expected: '"SHA256:" and the base64 SHA-256 of the certificate',
};

/** Means "not pinned" in the reference's catalogs (wire-formats 6.3). */
const UNPINNED = /^SHA256:A{43}=?$/;

/** A fingerprint that pins something, else null. */
export function pinned(fingerprint: string | null): string | null {
  return fingerprint === null || UNPINNED.test(fingerprint) ? null : fingerprint;
}

/**
 * How a child is spawned. `resolve` turns a command that is not absolute into an absolute path or refuses it: what runs must
 * not depend on PATH or on the working directory (ATK-24).
 */
export function readSpawn(
  fields: Fields,
  key: string,
  resolve: (command: string, place: Place) => string,
): ServerTransport {
  const place = fields.place.at(key);
  const spawn = new Fields(fields.get(key), place, ['command', 'args', 'binary_digest', 'measure_target']);
  const command = spawn.text('command', COMMAND);
  const items = spawn.get('args') === undefined ? [] : spawn.array('args', MAX_ARGUMENTS);
  const args = items.map((item, index) => readArgument(item, place.at('args').at(index)));
  return {
    kind: 'stdio',
    command: isAbsolute(command) ? command : resolve(command, place.at('command')),
    args,
    binaryDigest: spawn.optionalText('binary_digest', SHA256),
    measureTarget: spawn.optionalText('measure_target'),
  };
}

function readArgument(value: unknown, place: Place): string {
  if (typeof value !== 'string' || !ARGUMENT.pattern.test(value)) throw place.refuse(`must be ${ARGUMENT.expected}`);
  return value;
}

/** An http or https URL without credentials or fragment, exactly as written. */
export function readUrl(fields: Fields, key: string): string {
  const text = fields.text(key);
  const place = fields.place.at(key);
  const url = URL.parse(text);
  if (url === null) throw place.refuse('must be an absolute http or https URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw place.refuse('must be an http or https URL');
  if (url.username !== '' || url.password !== '') {
    throw place.refuse('must not hold credentials; put them in the config under "upstreams"');
  }
  if (url.hash !== '') throw place.refuse('must not hold a fragment; remove the "#" part');
  return text;
}
