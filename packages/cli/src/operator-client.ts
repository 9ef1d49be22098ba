import { request } from 'node:http';
import { isObject, JsonError, type JsonObject, member, parseJson } from '@cmcp/evidence';
import { LackingError, RefusedError } from './io.ts';

/** Session files are the largest answers; more than this is not one. */
const MAX_ANSWER_BYTES = 1_073_741_824;
const TIMEOUT_MS = 30_000;

export interface OperatorAccess {
  /** Path of the gateway's operator socket. */
  socket: string;
  token: string;
}

interface Answer {
  status: number;
  body: Buffer;
}

/**
 * Asks the operator interface (contracts section 9) and returns the bytes of its answer.
 * @throws LackingError when no gateway answers, RefusedError when it refuses
 */
export async function askOperator(
  access: OperatorAccess,
  method: 'GET' | 'POST',
  route: string,
  body: JsonObject | null = null,
): Promise<Buffer> {
  const answer = await send(access, method, `/operator/v1/${route}`, body === null ? '' : JSON.stringify(body));
  if (answer.status === 200) return answer.body;
  if (answer.status === 401)
    throw new RefusedError('the gateway does not know this operator token; name its file with --token-file');
  const refusal = refusalOf(answer);
  // What says why is no matter of the credential alone.
  if (answer.status === 403 && refusal.endsWith('\n  ')) {
    throw new RefusedError(
      "this credential may not operate the gateway. An agent's token never may, and the attempt is recorded.",
    );
  }
  throw new RefusedError(refusal);
}

/** The same, parsed. */
export async function askOperatorJson(...question: Parameters<typeof askOperator>): Promise<JsonObject> {
  const value = parseJson(await askOperator(...question));
  if (!isObject(value)) throw new RefusedError('the gateway gave an answer that is not understood');
  return value;
}

function refusalOf({ status, body }: Answer): string {
  try {
    const value = parseJson(body);
    const text = (key: string): string => {
      const found = isObject(value) ? member(value, key) : undefined;
      return typeof found === 'string' ? found : '';
    };
    return `${text('message')} (${text('error_code')})\n  ${text('detail')}`;
  } catch (error) {
    if (error instanceof JsonError) return `the gateway answered with status ${status}`;
    throw error;
  }
}

function send({ socket, token }: OperatorAccess, method: string, path: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const outgoing = request({ socketPath: socket, method, path, headers, timeout: TIMEOUT_MS }, (incoming) => {
      const chunks: Buffer[] = [];
      let size = 0;
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) incoming.destroy(new RefusedError('the answer is too large'));
        else chunks.push(chunk);
      });
      incoming.on('error', reject);
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    outgoing.on('timeout', () =>
      outgoing.destroy(new RefusedError(`the gateway did not answer within ${TIMEOUT_MS / 1000} s`)),
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.syscall === 'connect' ? unreachable(socket, error) : error),
    );
    outgoing.end(body);
  });
}

function unreachable(socket: string, error: NodeJS.ErrnoException): LackingError {
  return new LackingError(
    `no gateway answers at ${socket} (${error.code}). Start it with \`cmcp start\`; one that a client spawned with --stdio has no operator interface.`,
  );
}
