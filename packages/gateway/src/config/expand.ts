import type { Reader } from './readers.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: shown as one writes it
export const REFERENCE_FORM = '${NAME}';

/** `$$` is a dollar sign, `${NAME}` a variable; any other dollar sign is a mistake. */
const REFERENCE = /\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|)/g;

/**
 * A secret value, in which `${NAME}` stands for an environment variable. It is never repeated in a message: only names
 * of variables are.
 */
export function secretText(expected: string, accepts: (value: string) => boolean): Reader<string> {
  return {
    expected,
    rows: () => [],
    read(tree, path, context) {
      const report = (message: string): undefined => {
        context.problems.push({ at: tree.at, path, message });
        return undefined;
      };
      if (tree.kind !== 'scalar') return report(`expected ${expected}, found a ${tree.kind}`);
      let failed = false;
      const value = tree.text.replace(REFERENCE, (match: string, name: string | undefined) => {
        if (match === '$$') return '$';
        if (name !== undefined && Object.hasOwn(context.variables, name)) return context.variables[name] ?? '';
        failed = true;
        report(
          name === undefined
            ? `a dollar sign must start a reference such as ${REFERENCE_FORM}; write $$ for a dollar sign`
            : `the environment variable ${name} is not set`,
        );
        return '';
      });
      if (failed) return undefined;
      return accepts(value) ? value : report(`expected ${expected}`);
    },
  };
}

/** Text that may be written as is where `secretText` is read. */
export function escapeReference(value: string): string {
  return value.replaceAll('$', '$$$$');
}
