import type { Reader } from './readers.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: shown as one writes it
export const REFERENCE_FORM = '${NAME}';

/** `$$` is a dollar sign, `${NAME}` a variable; any other dollar sign is a mistake. */
const REFERENCE = /\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|)/g;

/**
 * `text` with its `${NAME}` references replaced by variables. What is wrong is told with names of variables only: the
 * values are secrets.
 */
export function expandReferences(
  text: string,
  variables: Readonly<Record<string, string>>,
): { value: string; problems: string[] } {
  const problems: string[] = [];
  const value = text.replace(REFERENCE, (match: string, name: string | undefined) => {
    if (match === '$$') return '$';
    if (name !== undefined && Object.hasOwn(variables, name)) return variables[name] ?? '';
    problems.push(
      name === undefined
        ? `a dollar sign must start a reference such as ${REFERENCE_FORM}; write $$ for a dollar sign`
        : `the environment variable ${name} is not set`,
    );
    return '';
  });
  return { value, problems };
}

/** `variables`, and for every reference in `text` to one that is not set a stand-in: for reading a configuration where its secrets are not. */
export function withStandIns(text: string, variables: Readonly<Record<string, string>>): Record<string, string> {
  const named = [...text.matchAll(REFERENCE)].flatMap(([, name]) => name ?? []);
  return { ...Object.fromEntries(named.map((name) => [name, 'not-set'])), ...variables };
}

/** A secret, and the text that it was written as: the reference to a variable, where it is one. */
export interface Secret {
  value: string;
  written: string;
}

/** A secret value, in which `${NAME}` stands for an environment variable. It is never repeated in a message. */
export function secretText(expected: string, accepts: (value: string) => boolean): Reader<Secret> {
  return {
    expected,
    rows: () => [],
    read(tree, path, context) {
      const refuse = (messages: string[]): undefined => {
        for (const message of messages) context.problems.push({ at: tree.at, path, message });
        return undefined;
      };
      if (tree.kind !== 'scalar') return refuse([`expected ${expected}, found a ${tree.kind}`]);
      const { value, problems } = expandReferences(tree.text, context.variables);
      if (problems.length > 0) return refuse(problems);
      return accepts(value) ? { value, written: tree.text } : refuse([`expected ${expected}`]);
    },
  };
}
