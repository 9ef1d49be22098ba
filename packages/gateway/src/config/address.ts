import { isIPv4, isIPv6 } from 'node:net';

export interface ListenAddress {
  host: string;
  port: number;
}

const PORT = /^(?:0|[1-9]\d{0,4})$/;

/** `host:port` or `[v6]:port`; the host is an IP address or a name, and is not resolved. Port 0 means any free port. */
export function parseListen(text: string): ListenAddress | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d+)$/.exec(text) ?? [];
  if (port === undefined || !PORT.test(port) || Number(port) > 65_535) return undefined;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port: Number(port) } : undefined;
  return { host: plain ?? '', port: Number(port) };
}

/**
 * Whether only this machine can reach the address. An allow-list: names are refused because they resolve to whatever
 * the resolver says (D-02), an empty host because it means every interface, mapped addresses because they hide one.
 */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  return host === '::1';
}
