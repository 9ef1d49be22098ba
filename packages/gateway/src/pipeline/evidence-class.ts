import type { EntryDraft } from '@cmcp/evidence';
import type { ServerTransport } from '../catalog/types.ts';

/**
 * How strongly a call is tied to the server that the catalog names (wire-formats section 7.1). What is pinned was held to its pin before
 * anything was sent, or nothing was.
 */
export function evidenceClassOf(transport: ServerTransport): EntryDraft['evidence_class'] {
  if (transport.kind === 'stdio') {
    const measured = transport.binaryDigest !== null || transport.package !== undefined;
    return measured ? 'spawn-measured' : 'spawn-unmeasured';
  }
  const { tlsFingerprint, pins } = transport;
  const pinned = tlsFingerprint !== null || (pins !== undefined && (pins.spki.length > 0 || pins.spiffeId !== null));
  return pinned ? 'tls-pinned' : 'hash-only';
}
