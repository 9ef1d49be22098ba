import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { digest, encodeUtf8, equalBytes, sha256 } from '@cmcp/evidence';
import type { PeerPins, ServerTransport } from '../catalog/types.ts';
import type { Egress } from '../egress.ts';
import { GatewayError } from '../errors.ts';
import type { Peer } from './http-endpoint.ts';
import { refuseAddress } from './refused-address.ts';
import { spiffeProblem } from './spiffe.ts';
import type { PeerMaterial } from './types.ts';

/** `SHA256:` and 43 times `A` with or without padding: the reference's way to write "no pin" (wire-formats 6.3). */
const UNPINNED = /^SHA256:A{43}=?$/;

/** The part of an HTTP server's record that says who it is. */
export type PinnedTarget = Pick<Extract<ServerTransport, { kind: 'http' }>, 'tlsFingerprint' | 'pins'>;

/**
 * The server that the catalog names: a certificate that leads to the authorities of `material` (null: those of Node) and that is
 * everything that the catalog pins. A SPIFFE id takes the place of the host name.
 * @throws GatewayError UPSTREAM_UNAVAILABLE when the fingerprint is not acceptable
 */
export function pinnedPeer(
  { tlsFingerprint, pins }: PinnedTarget,
  { authorities, client }: PeerMaterial,
  egress: Egress,
  refused: (reason: string) => void,
): Peer {
  const fingerprint = readPin(tlsFingerprint);
  const pinned = fingerprint !== null || (pins !== undefined && (pins.spki.length > 0 || pins.spiffeId !== null));
  return {
    authorities,
    client,
    refuseDestination: (destination) => egress.refuse(destination),
    named: pins === undefined || pins.spiffeId === null,
    refuseAddress,
    refused: (error) => refused(error.message),
    refuse(socket) {
      if (!pinned) return null;
      // Plain HTTP on loopback, in a catalog of the reference: there is nothing that a pin could be compared with.
      if (!(socket instanceof TLSSocket)) return pins?.spiffeId ? new Error('plain http shows no SPIFFE id') : null;
      const certificate = socket.getPeerX509Certificate();
      const problem = certificate === undefined ? 'there is no certificate' : problemOf(certificate, fingerprint, pins);
      return problem === null ? null : new Error(problem);
    },
  };
}

function problemOf(certificate: X509Certificate, pin: string | null, pins: PeerPins | undefined): string | null {
  if (pin !== null && !equal(fingerprintOf(certificate), pin)) return 'the certificate is not the pinned one';
  if (pins === undefined) return null;
  if (pins.spki.length > 0) {
    const key = digest(new Uint8Array(certificate.publicKey.export({ type: 'spki', format: 'der' })));
    // Each is compared, so that the time tells nothing of which one it was.
    if (!pins.spki.map((allowed) => equal(key, allowed)).includes(true)) return 'the key is none of the pinned ones';
  }
  return pins.spiffeId === null ? null : spiffeProblem(certificate, pins.spiffeId);
}

function equal(found: string, pinned: string): boolean {
  return equalBytes(encodeUtf8(found), encodeUtf8(pinned));
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
