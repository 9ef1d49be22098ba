import { canonicalSorted, digest, type JsonObject, type JsonValue } from '@cmcp/evidence';
import type { GatewayChain } from '../audit/gateway-chain.ts';
import { formatTimestamp } from '../audit/timestamp.ts';
import type { Authority } from '../authority.ts';
import { type Excepted, exceptedTool, requireNew } from '../catalog/exception.ts';
import type { CatalogServer } from '../catalog/types.ts';
import { asciiName } from '../claim.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { ExceptionOperations } from '../operator/exception-routes.ts';
import type { Operator } from '../operator/route.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import type { Monotonic } from '../session/freshness.ts';
import type { Listed } from '../upstream/types.ts';
import { type ExceptionRequest, readRequest } from './request.ts';

export interface ExceptionsDeps {
  config: Config;
  ranks: Ranks;
  chain: GatewayChain;
  clock: Clock;
  monotonic: Monotonic;
  newId: () => string;
  authority: () => Authority;
  /** Runs nothing else that changes what is in force at the same time. */
  alone: <T>(task: () => Promise<T>) => Promise<T>;
  /** The tools that a server offers now. */
  list: (server: CatalogServer) => Promise<Listed[]>;
  /** Puts what is approved in force with these beside it, and no others; `enter` is told when nothing but the switch is left to do. */
  putInForce: (excepted: readonly Excepted[], enter: () => Promise<void>) => Promise<void>;
}

/** Asked for by one operator, and waiting for another. */
interface Pending extends ExceptionRequest {
  id: string;
  reason: string;
  requestedBy: string;
  lapsesAt: number;
}

interface Active extends Excepted {
  id: string;
  pending: Pending;
  confirmedBy: string;
  endsAt: number;
}

const LAPSE_MS = 15 * 60_000;
const MAX_PENDING = 16;
const MAX_ACTIVE = 4;

/**
 * What is used for a while although no catalog approves it (wire-formats section 6.6; D-51, W-16, W-31): one operator asks, another
 * confirms, and it ends by itself. Held in memory alone: a restart forgets it.
 */
export class Exceptions implements ExceptionOperations {
  readonly #deps: ExceptionsDeps;
  readonly #pending = new Map<string, Pending>();
  #active: readonly Active[] = [];
  #sweeping = false;

  constructor(deps: ExceptionsDeps) {
    this.#deps = deps;
  }

  get any(): boolean {
    return this.#active.length > 0;
  }

  async request(by: Operator, body: JsonObject, reason: string): Promise<JsonObject> {
    const { config, ranks, chain, monotonic, newId, authority } = this.#deps;
    const request = readRequest(body, config, ranks);
    requireNew(authority().catalog, request.server, request.tools);
    this.#dropLapsed();
    if (this.#pending.size === MAX_PENDING)
      throw new GatewayError('INVALID_PARAMS', `${MAX_PENDING} exceptions wait for a second person already`);
    const lapsesAt = monotonic() + LAPSE_MS;
    const pending: Pending = { ...request, id: newId(), reason, requestedBy: by.subject, lapsesAt };
    await chain.enter('operator.exception_request', by, { ...named(pending), operator_reason: reason });
    this.#pending.set(pending.id, pending);
    return this.#describePending(pending);
  }

  confirm(by: Operator, id: string, reason: string): Promise<JsonObject> {
    return this.#deps.alone(async () => {
      const pending = this.#awaiting(id);
      await this.#deps.chain.enter('operator.exception_confirm', by, { exception_id: id, operator_reason: reason });
      // D-51: not one credential twice, nor two credentials of one person.
      if (by.subject === pending.requestedBy)
        throw new GatewayError('FORBIDDEN', 'whoever asked for an exception cannot confirm it: another operator must');
      if (this.#active.length === MAX_ACTIVE)
        throw new GatewayError('INVALID_PARAMS', `${MAX_ACTIVE} exceptions are in force already; end one`);
      requireNew(this.#deps.authority().catalog, pending.server, pending.tools);
      return await this.#grant(pending, by.subject);
    });
  }

  list(): JsonObject {
    this.#dropLapsed();
    return {
      pending: [...this.#pending.values()].map((pending) => this.#describePending(pending)),
      active: this.#active.map((active) => this.#describeActive(active)),
    };
  }

  end(by: Operator, id: string, reason: string): Promise<JsonObject> {
    return this.#deps.alone(async () => {
      const { chain } = this.#deps;
      const ending = () => chain.enter('operator.exception_end', by, { exception_id: id, operator_reason: reason });
      this.#dropLapsed();
      const active = this.#active.find((each) => each.id === id);
      if (active === undefined && !this.#pending.has(id)) throw unknown(id);
      if (active === undefined) await ending();
      else await this.#keep((each) => each !== active, ending);
      this.#pending.delete(id);
      return { id, state: 'ended' };
    });
  }

  /** An activation has put in force what is approved, and nothing beside it. */
  async dropped(): Promise<void> {
    const ended = this.#active;
    this.#active = [];
    for (const { id } of ended)
      await this.#deps.chain.enter('exception.ended', null, { exception_id: id, why: 'activation' });
  }

  /** Ends what has been in force for its time. */
  async sweep(): Promise<void> {
    this.#dropLapsed();
    if (this.#sweeping || !this.#active.some(({ endsAt }) => this.#isPast(endsAt))) return;
    this.#sweeping = true;
    try {
      await this.#deps.alone(() => this.#endExpired());
    } finally {
      this.#sweeping = false;
    }
  }

  async #endExpired(): Promise<void> {
    const expired = this.#active.filter(({ endsAt }) => this.#isPast(endsAt));
    if (expired.length === 0) return;
    await this.#keep(
      (each) => !expired.includes(each),
      async () => {
        for (const { id } of expired)
          await this.#deps.chain.enter('exception.ended', null, { exception_id: id, why: 'expired' });
      },
    );
  }

  async #keep(kept: (active: Active) => boolean, enter: () => Promise<void>): Promise<void> {
    const left = this.#active.filter(kept);
    await this.#deps.putInForce(left, enter);
    this.#active = left;
  }

  async #grant(pending: Pending, confirmedBy: string): Promise<JsonObject> {
    const { chain, clock, monotonic, config } = this.#deps;
    // Counted from the confirmation: what the server takes to answer is no reason for a longer one.
    const endsAt = monotonic() + pending.ttlMs;
    const { id, reason, requestedBy } = pending;
    const server: CatalogServer = {
      ...pending.server,
      exception: {
        id,
        reason,
        authorizedBy: `${asciiName(requestedBy)}, ${asciiName(confirmedBy)}`,
        addedAt: formatTimestamp(clock.nowMicros()),
        publicOnly: config.egress.allow === null,
        isOver: () => this.#isPast(endsAt),
      },
    };
    const tools = await this.#tools(server, pending);
    const active: Active = { id, pending, confirmedBy, endsAt, server, tools };
    const pins = digest(canonicalSorted(tools.map(({ name, pin }) => [name, pin.digest])));
    const entered = { ...named(pending), requested_by: requestedBy, confirmed_by: confirmedBy, definitions: pins };
    await this.#deps.putInForce([...this.#active, active], () =>
      chain.enterAs('break_glass_used', { ...entered, operator_reason: reason }),
    );
    this.#pending.delete(id);
    this.#active = [...this.#active, active];
    return this.#describeActive(active);
  }

  async #tools(server: CatalogServer, { tools, sensitivity }: Pending): Promise<Excepted['tools']> {
    const offered = await this.#deps.list(server);
    return tools.map((name) => {
      const found = offered.find(({ key }) => key === name);
      if (found === undefined) throw new GatewayError('INVALID_PARAMS', `${server.id} offers no tool "${name}"`);
      return exceptedTool(server, { ...found.definition, name }, sensitivity, this.#deps.ranks);
    });
  }

  #awaiting(id: string): Pending {
    this.#dropLapsed();
    const pending = this.#pending.get(id);
    if (pending === undefined) throw unknown(id);
    return pending;
  }

  #dropLapsed(): void {
    for (const { id, lapsesAt } of this.#pending.values()) if (this.#isPast(lapsesAt)) this.#pending.delete(id);
  }

  #isPast(moment: number): boolean {
    return this.#deps.monotonic() >= moment;
  }

  #describePending(pending: Pending): JsonObject {
    return { ...described(pending), state: 'pending', lapses_in_seconds: this.#secondsTo(pending.lapsesAt) };
  }

  #describeActive({ pending, confirmedBy, endsAt, server }: Active): JsonObject {
    const since = server.exception?.addedAt ?? null;
    return {
      ...described(pending),
      state: 'active',
      confirmed_by: confirmedBy,
      added_at: since,
      ends_in_seconds: this.#secondsTo(endsAt),
    };
  }

  #secondsTo(moment: number): number {
    return Math.max(0, Math.ceil((moment - this.#deps.monotonic()) / 1000));
  }
}

function unknown(id: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', `no exception ${id} is pending or in force; it may have ended by itself`);
}

function described({ id, reason, requestedBy, server, tools, sensitivity, ttlMs }: Pending): JsonObject {
  const about: Record<string, JsonValue> = { id, reason, requested_by: requestedBy, sensitivity };
  return { ...about, server: { id: server.id, url: server.identity }, tools: [...tools], ttl_seconds: ttlMs / 1000 };
}

/** What entries say of it: texts and integers. */
function named({ id, server, tools, sensitivity, ttlMs }: Pending): JsonObject {
  const { transport } = server;
  const pins = transport.kind === 'http' ? [transport.tlsFingerprint ?? [], transport.pins?.spki ?? []].flat() : [];
  return {
    exception_id: id,
    server_id: server.id,
    server_url: server.identity,
    server_pins: pins.join(' ') || 'none',
    tools: tools.join(' '),
    sensitivity,
    ttl_seconds: Math.floor(ttlMs / 1000),
  };
}
