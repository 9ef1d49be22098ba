/** Where a server's credential comes from (config `upstreams.<id>.credential`). Paths are absolute. */
export type CredentialSource =
  | { kind: 'file'; path: string }
  /** Prints the credential on one line. The first word is an absolute path. */
  | { kind: 'command'; argv: readonly string[] }
  | OAuthSource;

/** A token endpoint that gives short-lived tokens: client credentials (RFC 6749 section 4.4) or token exchange (RFC 8693). */
export interface OAuthSource {
  kind: 'oauth';
  tokenUrl: string;
  clientId: string;
  /** File with the client's secret. */
  clientSecret: string;
  scope: string | null;
  /** RFC 8707. */
  resource: string | null;
  audience: string | null;
  /** File with the token that is exchanged; null: the client's own credentials are what is asked with. */
  subjectToken: string | null;
}

export interface CredentialSettings {
  source: CredentialSource;
  /** Header field of an HTTP server, and the word before the value; an empty word: none. */
  header: string;
  scheme: string;
  /** Environment variable of a stdio server. */
  variable: string;
  /** Milliseconds for which a value is used before it is got anew, where its source does not say. */
  lifetimeMs: number;
}

/** A value as its source gave it. */
export interface Issued {
  value: string;
  /** Milliseconds that it is good for; null: the source does not say. */
  lifetimeMs: number | null;
}
