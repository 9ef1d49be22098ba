/** Input that has not the shape it should have. The only error of readers and parsers; verifiers catch it and report it. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}
