import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { request as requestTls, type RequestOptions as TlsRequestOptions } from 'node:https';
import { join } from 'node:path';
import type { TestBed } from './gateway.ts';

/** Where the operator interface is: its socket, or what TLS needs. */
export type OperatorPlace = { socketPath: string } | (TlsRequestOptions & { host: string; port: number });

export interface OperatorQuestion {
  method?: 'GET' | 'POST' | 'DELETE' | 'PUT';
  /** Below `/operator/v1/`, or, with a slash in front, as it is. */
  route: string;
  /** JSON; a text is sent as it is. */
  body?: unknown;
  headers?: Record<string, string | string[]>;
  /** null: none is shown. */
  token?: string | null;
}

export interface OperatorReply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

export function socketOf(bed: TestBed): OperatorPlace {
  return { socketPath: join(bed.dataDir, 'operator.sock') };
}

/** One line of the configuration's list of operators. */
export function operatorWith(subject: string, token: string, roles?: readonly string[]): string {
  const may = roles === undefined ? '' : `, roles: [${roles.join(', ')}]`;
  return `{ subject: ${subject}, token_sha256: ${createHash('sha256').update(token).digest('hex')}${may} }`;
}

/** A request to the operator interface, on a connection of its own. */
export async function askOperator(place: OperatorPlace, question: OperatorQuestion): Promise<OperatorReply> {
  const response = await openOperator(place, question);
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: JSON.parse(text) as Record<string, unknown>,
  };
}

/** The same, its answer yet to be read. */
export async function openOperator(
  place: OperatorPlace,
  { method = 'GET', route, body, headers = {}, token = null }: OperatorQuestion,
): Promise<IncomingMessage> {
  const options: RequestOptions = {
    method,
    agent: false,
    path: route.startsWith('/') ? route : `/operator/v1/${route}`,
    headers: { ...(token !== null && { authorization: `Bearer ${token}` }), ...headers },
  };
  const sent = 'socketPath' in place ? request({ ...options, ...place }) : requestTls({ ...options, ...place });
  const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
  sent.end(text);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}
