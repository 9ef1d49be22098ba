import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** A key of an issuer, with its name. */
export interface IssuerKey {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: JWK;
}

export async function issuerKey(kid: string, alg = 'ES256'): Promise<IssuerKey> {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' } };
}

/** An authorization server as far as a resource server sees it: metadata and keys, which a test changes, breaks and counts. */
export class TokenIssuer {
  keys: IssuerKey[];
  /** Replaces what a path answers; null: HTTP 503. */
  readonly answers = new Map<string, unknown>();
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];
  #url = '';
  readonly #server = createServer((request, response) => {
    const path = request.url ?? '';
    this.asked.push(path);
    const body = this.answers.has(path) ? this.answers.get(path) : this.#own(path);
    if (body instanceof URL) response.writeHead(302, { location: body.href }).end();
    else if (typeof body === 'string') response.writeHead(200).end(body);
    else if (body === null || body === undefined) response.writeHead(body === null ? 503 : 404).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });

  constructor(keys: IssuerKey[]) {
    this.keys = keys;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  get url(): string {
    return this.#url;
  }

  #own(path: string): unknown {
    if (path === '/jwks') return { keys: this.keys.map(({ jwk }) => jwk) };
    if (path !== '/.well-known/openid-configuration') return undefined;
    return { issuer: this.#url, jwks_uri: `${this.#url}/jwks` };
  }

  /** A token with these claims besides, or instead of, those of a good one; `undefined` leaves one out. */
  async token(
    audience: string,
    nowSeconds: number,
    claims: Record<string, unknown> = {},
    { header = {}, key = this.keys[0] }: { header?: Record<string, unknown>; key?: IssuerKey | undefined } = {},
  ): Promise<string> {
    if (key === undefined) throw new Error('the issuer has no key');
    const good = { iss: this.#url, aud: audience, sub: 'agent', client_id: 'agent', scope: 'mcp:tools' };
    const times = { iat: nowSeconds, exp: nowSeconds + 300, jti: crypto.randomUUID() };
    return new SignJWT({ ...good, ...times, ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header })
      .sign(key.privateKey, { crit: { x: false } });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A proof of possession (RFC 9449), good unless a test says otherwise. */
export async function dpopProof(
  key: IssuerKey,
  token: string,
  url: string,
  nowSeconds: number,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token));
  const { kid: _kid, use: _use, alg: _alg, ...jwk } = key.jwk;
  const good = { htm: 'POST', htu: url, iat: nowSeconds, jti: crypto.randomUUID() };
  return new SignJWT({ ...good, ath: Buffer.from(hash).toString('base64url'), ...claims })
    .setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk, ...header })
    .sign(key.privateKey);
}
