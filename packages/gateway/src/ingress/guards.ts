import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors.ts';

/** Host names that mean this machine; a browser cannot be made to send them for another one. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
/** A wildcard address is not a name that anyone should call us by. */
const WILDCARDS = new Set(['0.0.0.0', '::', '']);
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?$/i;

/**
 * The Host allow-list against DNS rebinding (MCP26-02). An entry without a port allows every port.
 * @param allowed `host` or `host:port`, beside loopback names and the address that is listened on
 */
export function hostGuard(
  allowed: string[],
  listen: { host: string; port: number },
): (request: IncomingMessage) => void {
  const names = new Set([...LOOPBACK, ...allowed].map((name) => name.toLowerCase()));
  if (!WILDCARDS.has(listen.host)) {
    const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
    names.add(`${host}:${listen.port}`.toLowerCase());
  }
  return (request) => {
    const values = request.headersDistinct.host ?? [];
    const authority = values.length === 1 ? (values[0] ?? '').toLowerCase() : '';
    const host = AUTHORITY.exec(authority)?.[1];
    if (host === undefined || !(names.has(authority) || names.has(host))) {
      throw new GatewayError('HOST_REFUSED', 'the Host header names no host that is allowed');
    }
  };
}

/** The Origin allow-list: a browser's page may call only when it is listed. `null` is nobody's origin, listed or not. */
export function originGuard(allowed: string[]): (request: IncomingMessage) => void {
  const origins = new Set(allowed.map((origin) => origin.toLowerCase()));
  origins.delete('null');
  return (request) => {
    const values = request.headersDistinct.origin ?? [];
    if (values.length === 0) return;
    const [origin = ''] = values;
    if (values.length > 1 || !origins.has(origin.toLowerCase())) {
      throw new GatewayError('ORIGIN_REFUSED', 'the Origin header names no origin that is allowed');
    }
  };
}

/** The body must be JSON in UTF-8 as it is: no other type, charset or compression. */
export function requireJsonBody(request: IncomingMessage): void {
  const types = request.headersDistinct['content-type'] ?? [];
  const [type = ''] = types;
  const json = /^application\/json(?:\s*;\s*charset=(?:"utf-8"|utf-8))?\s*$/i.test(type);
  if (types.length !== 1 || !json || request.headersDistinct['content-encoding'] !== undefined) {
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'the body is not declared as plain application/json');
  }
}
