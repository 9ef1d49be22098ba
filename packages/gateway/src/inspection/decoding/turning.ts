/** Every letter of ASCII as the one that stands 13 further on. */
export function rot13(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    const first = byte & 0x60;
    const letter = byte - first;
    if (first >= 0x40 && letter >= 1 && letter <= 26) bytes[index] = ((letter + 12) % 26) + 1 + first;
  }
  return bytes.toString('latin1');
}

/** Of ASCII, from its end to its beginning. */
export function reversed(text: string): string {
  return Buffer.from(text, 'latin1').reverse().toString('latin1');
}
