/** A challenge of RFC 6750 section 3. Values are printable ASCII without quotes; what is null is left out. */
export function bearerChallenge(parameters: Readonly<Record<string, string | null>>): string {
  return challenge('Bearer', parameters);
}

/** The same of another scheme. */
export function challenge(scheme: string, parameters: Readonly<Record<string, string | null>>): string {
  const given = Object.entries(parameters).flatMap(([name, value]) => (value === null ? [] : [`${name}="${value}"`]));
  return `${scheme} ${given.join(', ')}`;
}
