import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { isObject, JsonError, type JsonObject, member, parseJson } from '@cmcp/evidence';
import { LackingError, RefusedError } from './io.ts';

/** Session files are the largest answers; more than this is not one. */
const MAX_ANSWER_BYTES = 1_073_741_824;
const TIMEOUT_MS = 30_000;

export interface OperatorAccess {
  /** Path of the gateway's operator socket, or its address and what TLS needs for it, in PEM. */
  at: { socket: string } | { url: URL; tls: { ca?: string; cert?: string; key?: string } };
  /** null: a certificate says who asks. */
  token: string | null;
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
    throw new RefusedError(
      access.token === null
        ? 'the gateway does not know this certificate as an operator’s; `operator.certificates` of its configuration names them'
        : 'the gateway does not know this operator token; name its file with --token-file',
    );
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

function send({ at, token }: OperatorAccess, method: string, path: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const options = { method, path, headers, timeout: TIMEOUT_MS };
    const answered = (incoming: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let size = 0;
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) incoming.destroy(new RefusedError('the answer is too large'));
        else chunks.push(chunk);
      });
      incoming.on('error', reject);
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks) }));
    };
    const outgoing =
      'socket' in at
        ? request({ ...options, socketPath: at.socket }, answered)
        : requestTls(at.url, { ...options, ...at.tls, agent: false }, answered);
    outgoing.on('timeout', () =>
      outgoing.destroy(new RefusedError(`the gateway did not answer within ${TIMEOUT_MS / 1000} s`)),
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) => reject(failureOf(at, error)));
    outgoing.end(body);
  });
}

function failureOf(at: OperatorAccess['at'], error: NodeJS.ErrnoException): Error {
  const { syscall, code = '' } = error;
  if ('socket' in at) {
    if (syscall !== 'connect') return error;
    return new LackingError(
      `no gateway answers at ${at.socket} (${code}). Start it with \`cmcp start\`; one that a client spawned with --stdio has no operator interface.`,
    );
  }
  if (syscall === 'connect' || syscall === 'getaddrinfo')
    return new LackingError(`no gateway answers at ${at.url.origin} (${code})`);
  // TLS failed at one end or the other; OpenSSL has many words for it.
  if (!/^(?:ERR_SSL_|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_OSSL_|ECONNRESET)/.test(code)) return error;
  return new RefusedError(
    `no TLS with ${at.url.origin} (${code}): name the authority of its certificate with --tls-ca, and show yours with --tls-cert and --tls-key if it asks for one`,
  );
}
