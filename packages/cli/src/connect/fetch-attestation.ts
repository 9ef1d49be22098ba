import { encodeBase64Url } from '@cmcp/evidence';
import { ByteBuffer, HttpEndpoint, type Peer, type Timers } from '@cmcp/gateway/client';
import { ConnectFailure } from './failure.ts';
import { peerKey } from './peer-key.ts';

/** Collateral and event logs take some hundred kilobytes. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** A hardware TPM may need seconds, and others may be asking it too. */
const TIMEOUT_MS = 60_000;

/** What came back, and over a connection to whom. */
export interface FetchedAttestation {
  document: Buffer;
  /** As {@link peerKey} writes it, of the very connection that the document came over. */
  tlsSpki: string;
}

export interface AttestationSource {
  /** Where the gateway serves MCP; its attestation is at a fixed place on the same origin (RFC 8615). */
  url: URL;
  authorities: Peer['authorities'];
  timers: Timers;
  /** Gives up. */
  signal?: AbortSignal;
}

/**
 * Asks a gateway to attest itself under `nonce`, over a connection of its own that carries nothing else and no credential.
 * @throws ConnectFailure `not_reached` when asking again later may help, `not_attested` when the answer is no attestation
 */
export async function fetchAttestation(source: AttestationSource, nonce: Uint8Array): Promise<FetchedAttestation> {
  const at = new URL('/.well-known/cmcp/attestation', source.url);
  at.searchParams.set('nonce', encodeBase64Url(nonce));
  let tlsSpki = 'no connection';
  const peer: Peer = {
    authorities: source.authorities,
    refuse(socket) {
      tlsSpki = peerKey(socket);
      return null;
    },
  };
  const endpoint = new HttpEndpoint(at.href, () => ({}), peer);
  try {
    // One request goes over one connection: whoever was seen last is who answered.
    return { document: await get(endpoint, source), tlsSpki };
  } finally {
    await endpoint.close();
  }
}

function get(endpoint: HttpEndpoint, { timers, signal }: AttestationSource): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const givenUp = (): void => fail(unreached('the end came first'));
    const body = new ByteBuffer(MAX_DOCUMENT_BYTES);
    let failure: ConnectFailure | null = null;
    const stop = timers.after(TIMEOUT_MS, () => fail(unreached(`it did not attest itself in ${TIMEOUT_MS / 1000} s`)));
    const ended = (): void => {
      stop();
      signal?.removeEventListener('abort', givenUp);
    };
    const fail = (error: ConnectFailure): void => {
      ended();
      reject(error);
    };
    signal?.addEventListener('abort', givenUp, { once: true });
    endpoint.send('GET', [['accept', 'application/json']], null, {
      head(status) {
        failure = status === 200 ? null : refusalOf(status);
      },
      data(chunk) {
        if (!body.append(chunk)) failure = new ConnectFailure('not_attested', 'its attestation is too long');
      },
      end() {
        ended();
        if (failure === null) resolve(body.take());
        else reject(failure);
      },
      fail: (error) => fail(unreached(error.message)),
    });
  });
}

function refusalOf(status: number): ConnectFailure {
  if (status === 429 || status >= 500)
    return unreached(`it answered the question for its attestation with HTTP ${status}`);
  const redirect = status >= 300 && status < 400 ? ', a redirect, which is not followed' : '';
  const detail = `the server gives no attestation: HTTP ${status}${redirect}`;
  return new ConnectFailure('not_attested', detail);
}

function unreached(detail: string): ConnectFailure {
  return new ConnectFailure('not_reached', `the gateway cannot be checked: ${detail}`);
}
