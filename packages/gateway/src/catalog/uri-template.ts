/** A URI template (RFC 6570) as the catalog approves it: which URIs it stands for. */
export interface UriTemplate {
  /** As written. */
  readonly text: string;
  /** Whether `uri` is one that the template stands for. Linear in the length of `uri`. */
  matches(uri: string): boolean;
}
