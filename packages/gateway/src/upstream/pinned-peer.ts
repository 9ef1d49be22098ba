import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { encodeUtf8, equalBytes, sha256 } from '@cmcp/evidence';
import type { Egress } from '../egress.ts';
import { GatewayError } from '../errors.ts';
import type { Peer } from './http-endpoint.ts';
import { refuseAddress } from './refused-address.ts';

/** `SHA256:` and 43 times `A` with or without padding: the reference's way to write "no pin" (wire-formats 6.3). */
const UNPINNED = /^SHA256:A{43}=?$/;

/**
 * The server that the catalog names: a certificate that leads to `authorities` (null: those of Node), and where the catalog pins
 * one, that very certificate.
 * @throws GatewayError UPSTREAM_UNAVAILABLE when the pin is not acceptable
 */
export function pinnedPeer(tlsFingerprint: string | null, authorities: string[] | null, egress: Egress): Peer {
  const pin = readPin(tlsFingerprint);
  return {
    authorities,
    refuseDestination: (destination) => egress.refuse(destination),
    refuseAddress,
    refuse(socket) {
      if (pin === null || !(socket instanceof TLSSocket)) return null;
      const certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
      if (certificate !== undefined && equalBytes(encodeUtf8(fingerprintOf(certificate)), encodeUtf8(pin))) return null;
      return new Error('the certificate is not the pinned one');
    },
  };
}

/** `SHA256:` and base64 of a digest, without padding; null: not pinned. */
function readPin(fingerprint: string | null): string | null {
  if (fingerprint === null || UNPINNED.test(fingerprint)) return null;
  const pin = /^(SHA256:[A-Za-z0-9+/]{43})=?$/.exec(fingerprint)?.[1];
  if (pin === undefined) {
    throw new GatewayError('UPSTREAM_UNAVAILABLE', 'the TLS fingerprint is not SHA256: and base64 of 32 bytes');
  }
  return pin;
}

/** As wire-formats section 6.3 writes it, without padding: of the certificate, not of its key. */
function fingerprintOf(certificate: X509Certificate): string {
  return `SHA256:${Buffer.from(sha256(certificate.raw)).toString('base64').replace(/=$/, '')}`;
}
