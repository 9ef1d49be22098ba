import type { FuncKeywordDefinition } from 'ajv';
import { keyText } from './key-text.ts';
import { OWN } from './plain.ts';

/** Takes steps off what may still be spent. @throws TooMuch */
export type Charge = (steps: number) => void;

/** Checking a value takes more steps than are allowed. */
export class TooMuch extends Error {}

/** Keywords that the library checks in time that grows with two lists at once, written anew in linear time. Values are given as texts. */
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
    ...['const', 'enum'].map((name) => ({
      keyword: OWN + name,
      schemaType: 'array' as const,
      errors: false,
      compile: (given: string[]) => {
        const keys = new Set(given);
        return (value: unknown) => keys.has(keyOf(value));
      },
    })),
  ];
}
