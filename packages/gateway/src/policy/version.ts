/**
 * A bundle's version as numbers, most significant first: dotted integers, as signed bundles must have (wire-formats section 4). Null for
 * any other text.
 */
export function dottedVersion(text: string): bigint[] | null {
  return /^\d+(?:\.\d+)*$/.test(text) ? text.split('.').map(BigInt) : null;
}

/** Whether `a` is the later of two: 1.10 is later than 1.9, and 1.9.0 than 1.9. */
export function laterVersion(a: readonly bigint[], b: readonly bigint[]): boolean {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined || part !== other) return other === undefined || part > other;
  }
  return false;
}
