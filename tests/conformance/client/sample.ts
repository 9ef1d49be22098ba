type Schema = Readonly<Record<string, unknown>>;

/**
 * A value that a schema takes, as far as the suite's schemas go. Properties with a default are left out, for the SDK to
 * fill in.
 */
export function sample(schema: unknown): unknown {
  const { type, enum: options } = fields(schema);
  if (Array.isArray(options)) return options[0];
  switch (type) {
    case 'object':
      return sampleObject(schema);
    case 'array':
      return [];
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    default:
      return 'sample';
  }
}

/** The same of a schema of an object. */
export function sampleObject(schema: unknown): Record<string, unknown> {
  const needed = Object.entries(fields(fields(schema).properties)).filter(
    ([, property]) => !('default' in fields(property)),
  );
  return Object.fromEntries(needed.map(([name, property]) => [name, sample(property)]));
}

function fields(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? (value as Schema) : {};
}
