import { isObject, JsonNumber, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Place } from './fields.ts';

/** MCP26-35: an icon is fetched by the agent's side, so nothing but https and what is inline. */
const ICON_SOURCE = /^(?:https:\/\/|data:)/i;

/** @throws GatewayError CATALOG_INVALID for icons that MCP does not allow, or that lead elsewhere than https or the text itself */
export function checkIcons(definition: JsonObject, place: Place): void {
  const icons = member(definition, 'icons');
  if (icons === undefined) return;
  const at = place.at('icons');
  if (!Array.isArray(icons)) throw at.refuse('must be an array');
  for (const [index, icon] of icons.entries()) {
    const src = isObject(icon) ? member(icon, 'src') : undefined;
    if (typeof src !== 'string') throw at.at(index).refuse('must be an object with "src"');
    if (!ICON_SOURCE.test(src)) {
      throw at.at(index).at('src').refuse('must be an https URL or a data URI; remove the icon');
    }
  }
}

/** What resources, templates and prompts have in common: one that is malformed would spoil the whole list for a client. */
export function checkShown(definition: JsonObject, place: Place): void {
  for (const key of ['title', 'description', 'mimeType']) checkMember(definition, place, key, isText, 'a string');
  for (const key of ['annotations', '_meta']) checkMember(definition, place, key, isObject, 'an object');
  checkMember(definition, place, 'size', isNumber, 'a number');
  checkIcons(definition, place);
}

/** The arguments of a prompt: each has a name of its own. */
export function checkArguments(definition: JsonObject, place: Place): void {
  const list = member(definition, 'arguments');
  if (list === undefined) return;
  const at = place.at('arguments');
  if (!Array.isArray(list)) throw at.refuse('must be an array');
  const names = new Set<string>();
  for (const [index, argument] of list.entries()) {
    if (!isObject(argument)) throw at.at(index).refuse('must be an object');
    const name = member(argument, 'name');
    if (typeof name !== 'string') throw at.at(index).at('name').refuse('must be a string');
    if (names.has(name))
      throw at.at(index).at('name').refuse(`"${name}" is used twice; each argument has its own name`);
    names.add(name);
    for (const key of ['title', 'description']) checkMember(argument, at.at(index), key, isText, 'a string');
    checkMember(argument, at.at(index), 'required', isBoolean, 'true or false');
  }
}

function checkMember(
  object: JsonObject,
  place: Place,
  key: string,
  accepts: (value: JsonValue) => boolean,
  expected: string,
): void {
  const value = member(object, key);
  if (value !== undefined && !accepts(value)) throw place.at(key).refuse(`must be ${expected}`);
}

const isText = (value: JsonValue): boolean => typeof value === 'string';
const isBoolean = (value: JsonValue): boolean => typeof value === 'boolean';
const isNumber = (value: JsonValue): boolean => typeof value === 'number' || value instanceof JsonNumber;
