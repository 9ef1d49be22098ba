import assert from 'node:assert/strict';
import { type Client, ProtocolError, type StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/** What every reply carries of its call. */
export interface CallMeta {
  call_id: string;
  session_id: string;
  sequence?: number;
  entry_hash?: string;
  would_have_denied?: boolean;
  redacted?: number;
  would_have_redacted?: number;
}

/** The gateway's receipt in a result. */
export function callMeta(result: { _meta?: Record<string, unknown> | undefined }): CallMeta {
  const meta = result._meta?.['io.cmcp/call'];
  assert.ok(meta, 'the reply carries a receipt');
  return meta as CallMeta;
}

interface Refused {
  code: number;
  message: string;
  data: Record<string, unknown>;
}

/** The refusal that a call must end in, as the official client reports it. */
export async function refused(pending: Promise<unknown>): Promise<Refused> {
  try {
    await pending;
  } catch (error) {
    assert.ok(error instanceof ProtocolError, `a protocol error, not ${String(error)}`);
    return { code: error.code, message: error.message, data: (error.data ?? {}) as Record<string, unknown> };
  }
  assert.fail('the call was not refused');
}

/** Ends the client's session as MCP does, by DELETE. */
export async function endSession(client: Client): Promise<void> {
  await (client.transport as StreamableHTTPClientTransport).terminateSession();
}
