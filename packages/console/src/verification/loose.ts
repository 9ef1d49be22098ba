/**
 * Members of a value from a file that the verifier may not have accepted yet: looked at to sort files and to draw a picture,
 * never to conclude anything.
 */

/** The value that a JSON text stands for; undefined when it is none. Not strict: the verifier's parser is. */
export function looseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The own member at the end of `path`; undefined where there is none. */
export function at(value: unknown, ...path: string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

/** As {@link at}, when it is a string; else null. */
export function textAt(value: unknown, ...path: string[]): string | null {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : null;
}
