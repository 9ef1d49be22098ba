import type { IncomingMessage } from 'node:http';
import type { Presented } from '../identity/types.ts';
import type { HeaderValues } from '../mcp/exchange.ts';
import type { PeerCertificates } from './peer-certificates.ts';

export function headersOf({ headersDistinct }: IncomingMessage): HeaderValues {
  return (name) => headersDistinct[name] ?? [];
}

/** What a request shows of who sends it. */
export function presentedBy(request: IncomingMessage, peers: PeerCertificates): Presented {
  const { method = '', url: target = '', socket } = request;
  return { method, target, headers: headersOf(request), certificates: peers.of(socket) };
}
