/** Part of a session file that has not the shape it should have. Thrown by readers, caught by the verifier, never seen outside. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}
