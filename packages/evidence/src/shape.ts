import { isObject, type JsonObject, type JsonValue, member } from './json/value.ts';
import { parseTimestamp } from './time.ts';

/** Says what is wrong with a value, or null. `path` names the value in the message. */
export type Rule = (value: JsonValue, path: string) => string | null;

/** A string, matching `pattern` where one is given. */
export function text(pattern?: RegExp): Rule {
  return (value, path) => {
    if (typeof value !== 'string') return `${path} is not a string`;
    return pattern === undefined || pattern.test(value) ? null : `${path} has not the form that is required`;
  };
}

/** An integer that JavaScript carries exactly, from `least` to `most`. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER): Rule {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return (value, path) =>
    typeof value === 'number' && value >= least && value <= most ? null : `${path} is not an integer ${range}`;
}

/** A time with its offset, as {@link parseTimestamp} reads it. */
export const time: Rule = (value, path) =>
  typeof value === 'string' && parseTimestamp(value) !== null ? null : `${path} is not a time with an offset`;

/** A time in UTC, which says so with a `Z`. */
export const utcTime: Rule = (value, path) =>
  time(value, path) === null && String(value).endsWith('Z') ? null : `${path} is not a time in UTC`;

/** true or false. */
export const flag: Rule = (value, path) => (typeof value === 'boolean' ? null : `${path} is not true or false`);

/** One of the given strings. */
export function oneOf(...allowed: string[]): Rule {
  return (value, path) =>
    typeof value === 'string' && allowed.includes(value) ? null : `${path} is not one of: ${allowed.join(', ')}`;
}

/** `rule`, or null. */
export function nullable(rule: Rule): Rule {
  return (value, path) => (value === null ? null : rule(value, path));
}

/** An array whose items all keep `item`. */
export function list(item: Rule): Rule {
  return (value, path) => {
    if (!Array.isArray(value)) return `${path} is not a list`;
    return firstProblem(value.map((entry, i) => () => item(entry, `${path}[${i}]`)));
  };
}

/** An object with any members, whose values all keep `rule` where one is given. */
export function openObject(rule?: Rule): Rule {
  return (value, path) => {
    if (!isObject(value)) return `${path} is not an object`;
    if (rule === undefined) return null;
    return firstProblem(
      Object.entries(value).map(
        ([key, item]) =>
          () =>
            rule(item, `${path}.${key}`),
      ),
    );
  };
}

/** How {@link object} treats members that it does not name. */
export type Others = 'refused' | 'allowed';

/** An object with all of `needed`, any of `optional`, and others as `others` says. */
export function object(
  needed: Record<string, Rule>,
  optional: Record<string, Rule> = {},
  others: Others = 'refused',
): Rule {
  const names = new Set([...Object.keys(optional), ...Object.keys(needed)]);
  const optionalRules = Object.entries(optional);
  const neededRules = Object.entries(needed);
  return (value, path) => {
    if (!isObject(value)) return `${path} is not an object`;
    const missing = neededRules.find(([key]) => !Object.hasOwn(value, key));
    if (missing !== undefined) return `${path} has no member ${missing[0]}`;
    if (others === 'refused') {
      const unknown = Object.keys(value).find((key) => !names.has(key));
      if (unknown !== undefined) return `${path} has a member that is not allowed: ${JSON.stringify(unknown)}`;
    }
    for (const [key, rule] of optionalRules) {
      const problem = memberProblem(value, key, rule, path);
      if (problem !== null) return problem;
    }
    for (const [key, rule] of neededRules) {
      const problem = rule(value[key] as JsonValue, `${path}.${key}`);
      if (problem !== null) return problem;
    }
    return null;
  };
}

function memberProblem(value: JsonObject, key: string, rule: Rule, path: string): string | null {
  const found = member(value, key);
  return found === undefined ? null : rule(found, `${path}.${key}`);
}

function firstProblem(questions: (() => string | null)[]): string | null {
  for (const ask of questions) {
    const problem = ask();
    if (problem !== null) return problem;
  }
  return null;
}
