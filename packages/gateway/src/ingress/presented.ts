import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Presented } from '../identity/types.ts';
import type { HeaderValues } from '../mcp/exchange.ts';

export function headersOf({ headersDistinct }: IncomingMessage): HeaderValues {
  return (name) => headersDistinct[name] ?? [];
}

/** What a request shows of who sends it. */
export function presentedBy(request: IncomingMessage): Presented {
  const { method = '', url: target = '', socket } = request;
  return { method, target, headers: headersOf(request), certificates: certificatesOf(socket) };
}

/** What the client showed, leaf first, and the handshake accepted. */
function certificatesOf(socket: Socket): Uint8Array[] | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
  const shown: Uint8Array[] = [];
  for (let each = socket.getPeerX509Certificate(); each !== undefined; each = each.issuerCertificate) {
    shown.push(new Uint8Array(each.raw));
  }
  return shown.length === 0 ? null : shown;
}
