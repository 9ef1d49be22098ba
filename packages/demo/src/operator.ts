import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const Entry = z.object({
  call_id: z.string().nullable(),
  policy_decision: z.string(),
  policy_rule_matched: z.string().nullable(),
  policy_ids: z.array(z.string()),
  session_sensitivity_before: z.string().nullable(),
  session_sensitivity_after: z.string().nullable(),
});
const Export = z.object({ bundle: z.object({ entries: z.array(z.looseObject({ call_id: z.string().nullable() })) }) });

/** What the record says about one call: the agent is told less (contracts section 10). */
export type RecordedCall = z.infer<typeof Entry>;

/** Reads the entry of a call from the gateway's record, as an operator, over the operator's Unix socket. */
export async function recordedCall(
  operator: { socket: string; token: string },
  sessionId: string,
  callId: string,
): Promise<RecordedCall> {
  const { bundle } = Export.parse(JSON.parse(await get(operator, `/operator/v1/sessions/${sessionId}/export`)));
  return Entry.parse(bundle.entries.findLast((entry) => entry.call_id === callId));
}

function get({ socket, token }: { socket: string; token: string }, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, path, headers: { authorization: `Bearer ${token}` } }, (response) => {
      const body = text(response);
      if (response.statusCode === 200) resolve(body);
      else
        body.then(
          (said) => reject(new Error(`the operator interface answered ${response.statusCode}: ${said}`)),
          reject,
        );
    });
    asked.once('error', reject);
    asked.end();
  });
}
