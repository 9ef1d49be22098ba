import { randomUUID } from 'node:crypto';
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';

/** A client that an authorization server knows beforehand. */
export type KnownClient = StoredOAuthClientInformation;

const REDIRECT_URL = 'http://localhost:3000/callback';

/**
 * OAuth without a browser: the user is always there and always agrees. The authorization request is sent only when its
 * answer is asked for, so that a client that gives up has not asked.
 */
export class Authorization implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT_URL;
  readonly clientMetadata: OAuthClientMetadata = {
    client_name: 'everything-client',
    redirect_uris: [REDIRECT_URL],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    application_type: 'native',
  };
  /** Where a server that takes such addresses for identities can read who this client is. */
  readonly clientMetadataUrl = 'https://conformance-test.local/client-metadata.json';
  #client: StoredOAuthClientInformation | undefined;
  #tokens: StoredOAuthTokens | undefined;
  #discovery: OAuthDiscoveryState | undefined;
  #verifier = '';
  #state = '';
  #asked: URL | undefined;

  constructor(known?: KnownClient) {
    this.#client = known;
  }

  state(): string {
    this.#state = randomUUID();
    return this.#state;
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.#client;
  }

  saveClientInformation(client: StoredOAuthClientInformation): void {
    this.#client = client;
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.#tokens;
  }

  /** What was discovered served this authorization; the next one looks again, because the server may have moved. */
  saveTokens(tokens: StoredOAuthTokens): void {
    this.#tokens = tokens;
    this.#discovery = undefined;
  }

  saveDiscoveryState(discovery: OAuthDiscoveryState): void {
    this.#discovery = discovery;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovery;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  redirectToAuthorization(url: URL): void {
    this.#asked = url;
  }

  /** Goes where the user would have been sent, and returns the parameters of the way back. */
  async callback(): Promise<URLSearchParams> {
    if (this.#asked === undefined) throw new Error('no authorization was asked for');
    const response = await fetch(this.#asked, { redirect: 'manual' });
    const location = response.headers.get('location');
    if (location === null) throw new Error(`the authorization server answered ${response.status}`);
    const { searchParams } = new URL(location);
    if (searchParams.get('state') !== this.#state) throw new Error('the answer belongs to another request');
    return searchParams;
  }
}
