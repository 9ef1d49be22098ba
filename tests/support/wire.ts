/** What goes over the wire between the tests' own agents and servers, as loosely typed as it comes. */
export type Values = Record<string, unknown>;

export interface RpcError {
  code: number;
  message: string;
  data?: Values;
}

export interface Message {
  jsonrpc?: '2.0';
  id?: string | number | null;
  method?: string;
  params?: Values;
  result?: Values;
  error?: RpcError;
}

export type Family = 'handshake' | 'modern';
export const FAMILIES: readonly Family[] = ['handshake', 'modern'];

export const MODERN_VERSION = '2026-07-28';
export const HANDSHAKE_VERSION = '2025-11-25';
