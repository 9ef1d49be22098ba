import { existsSync, lstatSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { isObject, type JsonObject, stringifyJson } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import { ERRORS, type ErrorCode, GatewayError } from '../errors.ts';
import type { Authenticator } from '../ingress/authenticate.ts';
import {
  closeSession,
  discloseSalt,
  exportSession,
  listSessions,
  type OperatorDeps,
  resetSession,
  showSession,
} from './api.ts';
import { parsed, readBytes, textIn } from './body.ts';
import type { OperatorEvents } from './events.ts';
import { type ExceptionOperations, exceptionRoute } from './exception-routes.ts';
import { type PolicyOperations, policyRoute } from './policy-routes.ts';
import { type QuarantineOperations, quarantineRoute } from './quarantine-routes.ts';

const STREAM_BYTES = 1_048_576;
const PREFIX = '/operator/v1/';

export interface OperatorListenerDeps extends OperatorDeps {
  /** Absolute path of the Unix socket. */
  socket: string;
  operators: Authenticator;
  /** Agents are recognised only to be refused by name (architecture rule 6). */
  agents: Authenticator;
  events: OperatorEvents;
  ready: () => boolean;
  /** What vouches for the sessions: operators see at a glance that it is `software`. */
  trustLevel: string;
  policy: PolicyOperations;
  exceptions: ExceptionOperations;
  quarantine: QuarantineOperations;
}

interface Answer {
  status: number;
  body: JsonObject;
}

/** The operator interface: its own listener, its own credential, never reachable with an agent's (contracts section 9). */
export class OperatorListener {
  readonly #deps: OperatorListenerDeps;
  readonly #server: Server;

  constructor(deps: OperatorListenerDeps) {
    this.#deps = deps;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        deps.events.publish({ event: 'operator.error', detail: String(error) });
        send(response, failure('INTERNAL_ERROR', ''));
      });
    });
    this.#server.requestTimeout = 30_000;
  }

  /** Rejects with LISTEN_FAILED when another process serves the socket, or the file is none. A stale socket is replaced. */
  async listen(): Promise<void> {
    const { socket } = this.#deps;
    await mkdir(dirname(socket), { recursive: true, mode: 0o700 });
    if (await answers(socket)) throw new GatewayError('LISTEN_FAILED', `another process serves ${socket}`);
    if (existsSync(socket) && !lstatSync(socket).isSocket()) {
      throw new GatewayError('LISTEN_FAILED', `${socket} is there and is no socket; it is left alone`);
    }
    await rm(socket, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(new GatewayError('LISTEN_FAILED', `${socket}: ${error.message}`)));
      this.#server.listen(socket, resolve);
    });
    await chmod(socket, 0o600);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    if (request.method === 'GET' && path === `${PREFIX}healthz`)
      return send(response, { status: 200, body: { ok: true } });
    const operator = await this.#authenticate(request, response);
    if (operator === null) return;
    if (request.method === 'GET' && path === `${PREFIX}events`) return this.#stream(response);
    try {
      send(response, await this.#route(request, path, operator));
    } catch (error) {
      if (error instanceof GatewayError) return send(response, failure(error.code, error.detail));
      throw error;
    }
  }

  async #authenticate(request: IncomingMessage, response: ServerResponse): Promise<string | null> {
    const header = request.headers.authorization;
    const operator = this.#deps.operators.authenticate(header);
    if (operator !== null) return operator;
    const agent = this.#deps.agents.authenticate(header);
    if (agent !== null) {
      const detail = { subject: agent, method: request.method ?? '', route: routeName(request.url ?? '') };
      await this.#deps.enter('operator.refused', agent, detail);
    }
    send(response, failure(agent === null ? 'UNAUTHENTICATED' : 'FORBIDDEN', ''));
    return null;
  }

  async #route(request: IncomingMessage, path: string, operator: string): Promise<Answer> {
    const { method } = request;
    if (method === 'GET' && path === `${PREFIX}readyz`) {
      const ready = this.#deps.ready();
      return { status: ready ? 200 : 503, body: { ready, trust_level: this.#deps.trustLevel } };
    }
    if (method === 'GET' && path === `${PREFIX}sessions`) return ok(await listSessions(this.#deps));
    const by: Caller = { subject: operator, source: 'bearer' };
    const route = path.slice(PREFIX.length);
    const about =
      (await policyRoute(this.#deps.policy, request, route, by)) ??
      (await exceptionRoute(this.#deps.exceptions, request, route, by)) ??
      (await quarantineRoute(this.#deps.quarantine, request, route, by));
    if (about !== null) return ok(about);
    const match =
      /^\/operator\/v1\/sessions\/([0-9a-f-]{36})(?:\/(close|reset|export))?(?:\?disclose=([0-9a-f-]{36}))?$/.exec(
        path,
      );
    const sessionId = match?.[1];
    if (sessionId === undefined) return failure('ROUTE_NOT_FOUND', path);
    const action = `${method} ${match?.[2] ?? ''}`;
    const callId = match?.[3];
    if (callId !== undefined) {
      if (action !== 'GET export') return failure('ROUTE_NOT_FOUND', path);
      return ok(await discloseSalt(this.#deps, sessionId, operator, callId));
    }
    if (action === 'GET ') return ok(await showSession(this.#deps, sessionId));
    if (action === 'GET export') return ok(await exportSession(this.#deps, sessionId, operator));
    if (action === 'POST close') return ok(await closeSession(this.#deps, sessionId, operator));
    if (action === 'POST reset')
      return ok(await resetSession(this.#deps, sessionId, operator, await readReason(request)));
    return failure('METHOD_NOT_ALLOWED', path);
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': listening\n\n');
    const stop = this.#deps.events.subscribe((event) => {
      response.write(`data: ${stringifyJson(event)}\n\n`);
      // Events are kept for nobody who does not read them.
      if (response.writableLength > STREAM_BYTES) response.destroy();
    });
    response.on('close', stop);
  }
}

function ok(body: JsonObject): Answer {
  return { status: 200, body };
}

/** Of codes that agents are told with HTTP 200. What is not here and has no status of its own is a fault of ours. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  SESSION_UNKNOWN: 404,
  INVALID_PARAMS: 400,
  // What lies on the disk is not what may be put in force.
  POLICY_INVALID: 409,
  POLICY_HASH_MISMATCH: 409,
  POLICY_SIGNATURE_INVALID: 409,
  POLICY_VERSION_OLD: 409,
  POLICY_KEY_REVOKED: 409,
  POLICY_UNAPPROVED: 409,
  CATALOG_INVALID: 409,
  CATALOG_HASH_MISMATCH: 409,
  CATALOG_UNAPPROVED: 409,
  INSPECTION_INVALID: 409,
  UPSTREAM_UNAVAILABLE: 502,
};

/** Operators, unlike agents, are told the detail. */
function failure(code: ErrorCode, detail: string): Answer {
  const { status } = ERRORS[code];
  return {
    status: STATUS[code] ?? (status < 400 ? 500 : status),
    body: { error_code: code, message: ERRORS[code].message, detail },
  };
}

function send(response: ServerResponse, answer: Answer): void {
  if (response.headersSent) return;
  response.writeHead(answer.status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${stringifyJson(answer.body)}\n`);
}

async function readReason(request: IncomingMessage): Promise<string> {
  const value = parsed(await readBytes(request));
  return textIn(isObject(value) ? value : {}, 'reason');
}

/** A refused attempt is entered with the route's name, not with whatever was put into the path. */
function routeName(path: string): string {
  return /^\/operator\/v1\/[a-z]+/.exec(path)?.[0] ?? 'other';
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
