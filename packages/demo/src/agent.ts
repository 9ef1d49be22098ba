import { Client, ProtocolError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';

const CALL = 'io.cmcp/call';
const Receipt = z.object({ call_id: z.string(), session_id: z.string(), sequence: z.number(), entry_hash: z.string() });
const Refusal = z.object({
  error_code: z.string(),
  advice: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  approval_id: z.string().optional(),
  [CALL]: Receipt,
});

/** What a call left behind in the gateway's record, as told to the caller. */
export type CallReceipt = z.infer<typeof Receipt>;

/** What an agent learns of one call. */
export type Answer =
  | { allowed: true; text: string; receipt: CallReceipt }
  | {
      allowed: false;
      code: string;
      message: string;
      advice: Record<string, string | number>;
      /** What the call waits for. */
      approvalId: string | null;
      receipt: CallReceipt;
    };

/** An agent: the official MCP client, knowing nothing of cMCP but an address and a token. */
export interface Agent {
  tools(): Promise<string[]>;
  /** Rejects when the gateway answers with something that is neither a result nor a refusal of the call. */
  call(tool: string, args: Record<string, unknown>): Promise<Answer>;
  /** Says that the session is no longer needed: DELETE, in the handshake revisions. */
  endSession(): Promise<void>;
  /** Closes the connection, whatever state it is in. */
  hangUp(): Promise<void>;
}

/** `revision`: the newest handshake revision that the client speaks, or exactly 2026-07-28, which has no handshake. */
export async function connectAgent(url: string, token: string, revision: 'handshake' | '2026-07-28'): Promise<Agent> {
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  const client = new Client(
    { name: 'demo-agent', version: '1.0.0' },
    { versionNegotiation: { mode: revision === 'handshake' ? 'legacy' : { pin: revision } } },
  );
  await client.connect(transport);
  return {
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args) => {
      try {
        const { content, _meta } = await client.callTool({ name, arguments: args });
        const text = content.map((block) => (block.type === 'text' ? block.text : `[${block.type}]`)).join('\n');
        return { allowed: true, text, receipt: Receipt.parse(_meta?.[CALL]) };
      } catch (error) {
        if (error instanceof ProtocolError) return refused(error);
        throw error;
      }
    },
    endSession: () => transport.terminateSession(),
    hangUp: () => client.close(),
  };
}

function refused(error: ProtocolError): Answer {
  const data = Refusal.safeParse(error.data);
  if (!data.success) throw error;
  const { error_code, advice, approval_id, [CALL]: receipt } = data.data;
  const approvalId = approval_id ?? null;
  return { allowed: false, code: error_code, message: error.message, advice: advice ?? {}, approvalId, receipt };
}
