import type { JsonObject } from '@cmcp/evidence';
import type { Actor, GatewayChain } from '../audit/gateway-chain.ts';
import type { AuditLog } from '../audit/types.ts';
import type { Caller } from '../caller.ts';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { type Block, blocksText, NOTHING_BLOCKED, readBlocks, type Scope, type StoredBlocks } from './block.ts';
import { killDetail } from './kill-detail.ts';

/** What an operator, or a threshold, wants stopped. */
export type Draft = Pick<Block, 'scope' | 'name' | 'reason' | 'rule' | 'windowSeconds'>;

/** What is about to be served, as far as it is known: at the start only who asks. */
export interface Target {
  agent: string;
  session: string | null;
  tool: string | null;
  server: string | null;
}

export interface BlocksDeps {
  chain: Pick<GatewayChain, 'enter'>;
  clock: Clock;
  newId: () => string;
  /** Told that something could not be recorded; the log has failed then, and nothing is served. */
  unrecorded: (error: unknown) => void;
}

/** What other stores of the data folder say, each in its text. */
export interface Elsewhere {
  /** The store of the gateway that operators reach; null: it is this one. */
  root: string | null;
  others: readonly string[];
}

/** As many as are held at once; the one more that a threshold asks for stops everything. */
export const MAX_BLOCKS = 1000;

const keyOf = (scope: Scope, name: string): string => `${scope} ${name}`;

/**
 * Everything that is stopped (G27, D-49). A block is in force in the turn in which it is set, and durable before anybody is told
 * that it is; it is lifted by an operator alone, and only once that is durable. Kept in the audit store, so that it outlives process and
 * files, and read from the other stores of the data folder as well.
 */
export class Blocks {
  readonly #deps: BlocksDeps;
  readonly #own = new Map<string, Block>();
  #elsewhere: readonly Block[] = [];
  #lifted: readonly string[];
  /** Being lifted: in force until that is durable, and not stored any more. */
  readonly #lifting = new Set<string>();
  #inForce = new Map<string, Block>();
  readonly #blocked = new Set<(block: Block) => void>();
  readonly #changed = new Set<() => void>();

  private constructor(deps: BlocksDeps, own: StoredBlocks) {
    this.#deps = deps;
    for (const block of own.blocks) this.#own.set(block.id, block);
    this.#lifted = own.lifted;
    this.#index();
  }

  /** What the store of `log` remembers, and the others. @throws GatewayError STORE_INVALID */
  static async open(log: Pick<AuditLog, 'standing'>, elsewhere: Elsewhere, deps: BlocksDeps): Promise<Blocks> {
    const text = await log.standing('blocks');
    const blocks = new Blocks(deps, text === null ? NOTHING_BLOCKED : readBlocks(text));
    blocks.learn(elsewhere);
    return blocks;
  }

  /** What the other stores hold by now takes the place of what they held. @throws GatewayError STORE_INVALID, and changes nothing */
  learn({ root, others }: Elsewhere): void {
    const before = new Set(this.list.map(({ id }) => id));
    const above = root === null ? NOTHING_BLOCKED : readBlocks(root);
    const held = [...above.blocks, ...others.flatMap((text) => readBlocks(text).blocks)];
    // Lifted where operators reach a gateway, which a stdio gateway of the same folder is not.
    for (const id of above.lifted) this.#own.delete(id);
    this.#elsewhere = held.filter(({ id }) => !above.lifted.includes(id));
    this.#index();
    const now = this.list;
    const begun = now.filter(({ id }) => !before.has(id));
    for (const block of begun) this.#tell(block);
    if (begun.length > 0 || now.length !== before.size) this.#announce();
  }

  /** What is in force, the oldest first. */
  get list(): Block[] {
    return [...this.#own.values(), ...this.#foreign()].sort((a, b) => a.sinceMicros - b.sinceMicros);
  }

  /** Why this is not served; null: nothing stops it. */
  stopping({ agent, session, tool, server }: Target): Block | null {
    if (this.#inForce.size === 0) return null;
    return (
      this.#inForce.get(keyOf('all', '*')) ??
      this.#inForce.get(keyOf('agent', agent)) ??
      (session === null ? undefined : this.#inForce.get(keyOf('session', session))) ??
      (tool === null ? undefined : this.#inForce.get(keyOf('tool', tool))) ??
      (server === null ? undefined : this.#inForce.get(keyOf('server', server))) ??
      null
    );
  }

  /** Why nothing that this agent does is served. */
  stoppingAgent({ subject }: Caller): Block | null {
    return this.stopping({ agent: subject, session: null, tool: null, server: null });
  }

  /**
   * In force when this returns; `entered` resolves when it is durable.
   *
   * @throws GatewayError INVALID_PARAMS when an operator asks for more than are held
   */
  set(draft: Draft, by: Actor | null): { block: Block; entered: Promise<void> } {
    if (this.#own.size >= MAX_BLOCKS && by !== null)
      throw new GatewayError('INVALID_PARAMS', `${MAX_BLOCKS} blocks are in force; lift some, or block all`);
    const { clock, newId, chain } = this.#deps;
    const sinceMicros = clock.nowMicros();
    const block: Block = { ...draft, id: newId(), by: by === null ? 'automatic' : by.subject, sinceMicros };
    this.#own.set(block.id, block);
    this.#index();
    const action = by === null ? 'stop.block' : 'operator.block';
    const entered = chain.enter(action, by, killDetail(block), this.#standing());
    this.#tell(block);
    this.#announce();
    return { block, entered };
  }

  /** A threshold was crossed: stops it, unless that is stopped already. */
  trip(draft: Draft): void {
    if (this.#inForce.has(keyOf(draft.scope, draft.name)) || this.#inForce.has(keyOf('all', '*'))) return;
    const over = this.#own.size >= MAX_BLOCKS;
    const full = { scope: 'all', name: '*', reason: `${MAX_BLOCKS} blocks are in force`, rule: 'capacity' } as const;
    const { entered } = this.set(over ? { ...full, windowSeconds: null } : draft, null);
    entered.catch(this.#deps.unrecorded);
  }

  /** Durable when it resolves, and in force no more. @throws GatewayError INVALID_PARAMS when there is none of this id */
  async lift(id: string, by: Actor, reason: string): Promise<Block> {
    const block = this.list.find((each) => each.id === id);
    if (block === undefined || this.#lifting.has(id))
      throw new GatewayError('INVALID_PARAMS', `no block ${id} is in force`);
    this.#lifting.add(id);
    if (!this.#own.has(id)) this.#lifted = [...this.#lifted, id];
    const detail: JsonObject = { block_id: id, scope: block.scope, name: block.name, operator_reason: reason };
    await this.#deps.chain.enter('operator.unblock', by, detail, this.#standing());
    this.#own.delete(id);
    this.#lifting.delete(id);
    this.#index();
    this.#announce();
    return block;
  }

  /** `listener` is told of every block in the turn in which it comes into force. Returns what takes it away. */
  onBlocked(listener: (block: Block) => void): () => void {
    this.#blocked.add(listener);
    return () => void this.#blocked.delete(listener);
  }

  /** `listener` is told when something is stopped, or is no longer. */
  onChanged(listener: () => void): () => void {
    this.#changed.add(listener);
    return () => void this.#changed.delete(listener);
  }

  /** The turn in which this is asked is the turn of its entry, so that the texts are stored in their order. */
  #standing(): { name: 'blocks'; text: string } {
    const blocks = [...this.#own.values()].filter(({ id }) => !this.#lifting.has(id));
    const held = new Set(this.#elsewhere.map(({ id }) => id));
    // What the other store forgot need not be remembered as lifted.
    const lifted = this.#lifted.filter((id) => held.has(id));
    return { name: 'blocks', text: blocksText({ blocks, lifted }) };
  }

  #foreign(): Block[] {
    return this.#elsewhere.filter(({ id }) => this.#lifting.has(id) || !this.#lifted.includes(id));
  }

  #index(): void {
    this.#inForce = new Map(this.list.map((block) => [keyOf(block.scope, block.name), block]));
  }

  #tell(block: Block): void {
    for (const listener of [...this.#blocked]) listener(block);
  }

  #announce(): void {
    for (const listener of [...this.#changed]) listener();
  }
}

/** Whether a block stops everything that this agent does. */
export function stopsAgent({ scope, name }: Block, { subject }: Caller): boolean {
  return scope === 'all' || (scope === 'agent' && name === subject);
}
