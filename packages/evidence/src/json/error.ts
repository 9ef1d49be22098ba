/** Why a JSON text or value was refused. */
export type JsonErrorCode =
  | 'ENCODING'
  | 'SYNTAX'
  | 'DUPLICATE_KEY'
  | 'LONE_SURROGATE'
  | 'TOO_DEEP'
  | 'TOO_LARGE'
  | 'TOO_MANY_ITEMS'
  | 'NUMBER_TOO_LONG'
  | 'NUMBER_RANGE'
  | 'UNREPRESENTABLE';

/** The one error that the functions in `json/` throw. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
  readonly code: JsonErrorCode;
  /** Where, in UTF-16 code units of the decoded text; 0 when there is no text to point into. */
  readonly offset: number;

  constructor(code: JsonErrorCode, offset: number, message: string) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}
