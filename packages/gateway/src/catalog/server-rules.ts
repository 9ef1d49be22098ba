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

/** A path that means one file however it is looked at: absolute, and nothing in it to resolve. */
const PLAIN_PATH: TextRule = {
  pattern: /^(?!.*\/\.{0,2}(?:\/|$))\/[^\0]+$/,
  expected: 'an absolute path without ".", ".." or a slash at its end',
};
/** As lockfiles of npm write it. Recorded for people: what was packed is not what is installed, so nothing is compared with it. */
const INTEGRITY: TextRule = { pattern: /^sha512-[A-Za-z0-9+/]{86}==$/, expected: '"sha512-" and base64 of 64 bytes' };

const SPAWN_MEMBERS = ['command', 'args', 'binary_digest', 'measure_target'];
const PIN_MEMBERS = ['interpreter', 'package'];

/** As {@link readSpawn}, with what our form pins besides. */
export function readPinnedSpawn(fields: Fields, key: string, resolve: ResolveCommand): SpawnTransport {
  const place = fields.place.at(key);
  const spawn = new Fields(fields.get(key), place, [...SPAWN_MEMBERS, ...PIN_MEMBERS]);
  const bare = Object.entries(spawn.value).filter(([name]) => !PIN_MEMBERS.includes(name));
  const transport = readSpawn(new Fields({ [key]: Object.fromEntries(bare) }, fields.place, [key]), key, resolve);
  if (spawn.get('interpreter') !== undefined) {
    if (transport.binaryDigest === null) {
      throw place.at('interpreter').refuse('runs a file that is not pinned; add "binary_digest", or remove it');
    }
    const pin = new Fields(spawn.get('interpreter'), place.at('interpreter'), ['path', 'digest']);
    transport.interpreter = { path: pin.text('path', PLAIN_PATH), digest: pin.text('digest', SHA256) };
  }
  if (spawn.get('package') !== undefined) {
    const pin = new Fields(spawn.get('package'), place.at('package'), ['path', 'tree_digest', 'integrity']);
    transport.package = {
      path: pin.text('path', PLAIN_PATH),
      treeDigest: pin.text('tree_digest', SHA256),
      integrity: pin.optionalText('integrity', INTEGRITY),
    };
  }
  return transport;
}

type SpawnTransport = Extract<ServerTransport, { kind: 'stdio' }>;
type ResolveCommand = (command: string, place: Place) => string;

/**
 * How a child is spawned. `resolve` turns a command that is not absolute into an absolute path or refuses it: what runs must
 * not depend on PATH or on the working directory (ATK-24).
 */
export function readSpawn(fields: Fields, key: string, resolve: ResolveCommand): SpawnTransport {
  const place = fields.place.at(key);
  const spawn = new Fields(fields.get(key), place, SPAWN_MEMBERS);
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
