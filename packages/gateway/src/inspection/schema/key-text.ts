/** The same text for values that JSON Schema counts as equal, and no others. */
export function keyText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(keyText).join()}]`;
  // JSON knows no negative zero, and neither does `JSON.stringify`.
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${keyText(Reflect.get(value, name))}`).join()}}`;
}
