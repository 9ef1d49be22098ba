import { isObject, type JsonObject } from '../json/value.ts';
import { object, oneOf, type Rule, text } from '../shape.ts';

export type Members = Record<string, Rule>;

/** Makes the rule of one object: the members that a whole one has, those that it may have, and the rule between them. */
export type Part = (needed: Members, optional?: Members, between?: (object: JsonObject) => string | null) => Rule;

/** An object of a manifest that may be abridged: members may be missing, and the rule between members is one for whole objects. */
export const abridged: Part = (needed, optional = {}, between) => {
  const said = object({}, { ...optional, ...needed });
  return (value, path) => {
    const problem = said(value, path);
    if (problem !== null || between === undefined || !isObject(value)) return problem;
    const complete = Object.keys(needed).every((key) => Object.hasOwn(value, key));
    const broken = complete ? between(value) : null;
    return broken === null ? null : `${path}: ${broken}`;
  };
};

/** An object of a manifest from which nothing is missing. */
export const whole: Part = (needed, optional = {}) => object(needed, optional);

export const HASH = text(/^(sha256|shake256):[0-9a-f]{64}$/);
export const UUID7 = text(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i);
export const SPIFFE = text(/^spiffe:\/\//);
export const CLASSIFICATION = oneOf('public', 'internal', 'confidential', 'restricted');
