import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

export const CLIENT = { id: 'research-agent', secret: 'secret-of-the-research-agent' };

/** A real authorization server (`oidc-provider`), which issues access tokens to one client for the resources that it asks for. */
export interface AuthorizationServer {
  readonly issuer: string;
  /** A token of client credentials (RFC 6749 section 4.4) for a resource (RFC 8707), bound to a key where a proof is given. */
  token(resource: string, scope: string, proof?: string): Promise<{ access_token: string; token_type: string }>;
  close(): Promise<void>;
}

const SCOPES = 'mcp:tools mcp:tools:read';

export async function startAuthorizationServer(): Promise<AuthorizationServer> {
  let handle: ReturnType<Provider['callback']> | null = null;
  const server = createServer((request, response) => void handle?.(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: 'as-1', alg: 'ES256', use: 'sig' };
  handle = new Provider(issuer, {
    jwks: { keys: [key] },
    cookies: { keys: ['cookies-are-not-used'] },
    scopes: SCOPES.split(' '),
    ttl: { ClientCredentials: 300 },
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }).callback();
  return {
    issuer,
    async token(resource, scope, proof) {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${btoa(`${CLIENT.id}:${CLIENT.secret}`)}`,
          ...(proof !== undefined && { DPoP: proof }),
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope }),
      });
      const answer = (await response.json()) as { access_token: string; token_type: string };
      if (!response.ok) throw new Error(JSON.stringify(answer));
      return answer;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
