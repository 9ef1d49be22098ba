import type { Caller } from '../caller.ts';
import type { HeaderValues } from '../mcp/exchange.ts';

/** What a request shows of who sends it. */
export interface Presented {
  method: string;
  /** Path and query as received. */
  target: string;
  headers: HeaderValues;
  /**
   * What the client showed in this connection's handshake, DER, leaf first; null: nothing. The handshake proved that it has the key of the
   * leaf; who issued it is proven only where a source verifies that. One object for all requests of a connection.
   */
  certificates: readonly Uint8Array[] | null;
}

/** What a challenge answers. */
export interface Refused {
  /** The request showed something: what was shown is no good, instead of missing. */
  shown: boolean;
  /** The scopes that what was asked for needs; null: those of the listener. */
  scopes: readonly string[] | null;
}

/** One kind of credential. */
export interface IdentitySource {
  /**
   * Who holds the credential; null where none of this kind is shown, so that another source may be asked. One of this kind that
   * is no good is refused, and no other source is asked.
   *
   * @throws GatewayError UNAUTHENTICATED, INSUFFICIENT_SCOPE, IDENTITY_UNAVAILABLE (who could say is out of reach)
   */
  identify(presented: Presented): Promise<Caller | null>;
  /** What a `WWW-Authenticate` header says of this kind, after a refusal with this code. */
  challenge(code: 'UNAUTHENTICATED' | 'INSUFFICIENT_SCOPE', refused: Refused): string | null;
  close?(): void;
}
