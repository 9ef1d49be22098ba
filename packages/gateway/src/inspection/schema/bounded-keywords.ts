import type { FuncKeywordDefinition } from 'ajv';

/** Takes steps off what may still be spent. @throws TooMuch */
export type Charge = (steps: number) => void;

/** Checking a value takes more steps than are allowed. */
export class TooMuch extends Error {}

/** Keywords that the library checks in time that grows with the square of a list, written anew in linear time. */
export function boundedKeywords(charge: Charge): (FuncKeywordDefinition & { keyword: string })[] {
  const keyOf = (value: unknown): string => {
    const key = keyText(value);
    charge(key.length / 8);
    return key;
  };
  return [
    {
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      errors: false,
      compile: (isAsked: boolean) => (items: unknown[]) => !isAsked || new Set(items.map(keyOf)).size === items.length,
    },
    {
      keyword: 'enum',
      schemaType: 'array',
      errors: false,
      compile: (values: unknown[]) => {
        const keys = new Set(values.map(keyText));
        return (value: unknown) => keys.has(keyOf(value));
      },
    },
  ];
}

/** The same text for values that JSON Schema counts as equal, and no others. */
export function keyText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(keyText).join()}]`;
  // JSON knows no negative zero, and neither does `JSON.stringify`.
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${keyText(Reflect.get(value, name))}`).join()}}`;
}
