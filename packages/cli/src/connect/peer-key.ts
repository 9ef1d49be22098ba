import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { encodeHex, sha256 } from '@cmcp/evidence';

/** SHA-256 of the SubjectPublicKeyInfo that a connection's peer proved to hold, `sha256:…`; `none` without TLS. */
export function peerKey(socket: Socket | TLSSocket): string {
  if (!(socket instanceof TLSSocket)) return 'none';
  const certificate = socket.getPeerX509Certificate();
  // A TLS server always shows one; without it, no attested key can match.
  if (certificate === undefined) return 'no certificate';
  return `sha256:${encodeHex(sha256(certificate.publicKey.export({ type: 'spki', format: 'der' })))}`;
}
