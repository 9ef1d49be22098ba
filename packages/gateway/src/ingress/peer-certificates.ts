import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** More than a chain has: the rest would only cost time. */
const MAX_SHOWN = 16;

/**
 * What clients show in handshakes, leaf first, as sent. The handshake proves that the client has the key of the first one, and
 * nothing of who issued it (`rejectUnauthorized` may be off). Where TLS itself accepted the certificate (`tls.client_ca`), Node has dropped
 * the rest of the chain by then.
 */
export class PeerCertificates {
  /** One object for all requests of a connection: what is found out about it is then found out once. */
  readonly #shown = new WeakMap<Socket, readonly Uint8Array[] | null>();

  /** Null: nothing was shown. A resumed connection has the leaf alone, from a ticket; where certificates identify, none is resumed. */
  of(socket: Socket): readonly Uint8Array[] | null {
    const before = this.#shown.get(socket);
    if (before !== undefined) return before;
    const shown = socket instanceof TLSSocket ? chainOf(socket) : [];
    const certificates = shown.length === 0 ? null : shown;
    this.#shown.set(socket, certificates);
    return certificates;
  }
}

function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let each = socket.getPeerX509Certificate();
  for (; each !== undefined && chain.length < MAX_SHOWN; each = each.issuerCertificate) {
    chain.push(new Uint8Array(each.raw));
  }
  return chain;
}
