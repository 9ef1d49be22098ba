import assert from 'node:assert/strict';
import type { JsonObject } from '@cmcp/evidence';
import type { ChangeKind, ListKind } from '../../packages/gateway/src/mcp/types.ts';
import type { Listed, Upstream } from '../../packages/gateway/src/upstream/types.ts';

/** What a server lists, as the upstream hands it over: keyed by the member that tells items of the kind apart. */
export function listed(kind: ListKind, ...definitions: JsonObject[]): Listed[] {
  const member = kind === 'resources' ? 'uri' : kind === 'resourceTemplates' ? 'uriTemplate' : 'name';
  return definitions.map((definition) => ({ key: String(definition[member]), definition }));
}

/** A server whose offer a test changes, withholds, and announces; nothing can be called. */
export class OfferingServer {
  readonly offered: Record<ListKind, Listed[]> = { tools: [], resources: [], resourceTemplates: [], prompts: [] };
  stated: string | null = null;
  /** How often each kind was listed, and the instructions were asked for. */
  readonly asked: Record<ListKind | 'instructions', number> = {
    tools: 0,
    resources: 0,
    resourceTemplates: 0,
    prompts: 0,
    instructions: 0,
  };
  /** Runs in the middle of each answer: after the offer was read, before it is told. */
  meanwhile: (question: ListKind | 'instructions') => void | Promise<void> = () => undefined;
  readonly #listeners: ((kind: ChangeKind) => void)[] = [];

  announce(kind: ChangeKind): void {
    for (const listener of this.#listeners) listener(kind);
  }

  connected(serverId: string): Upstream {
    return {
      serverId,
      list: (kind) => this.#tell(kind, this.offered[kind]),
      instructions: () => this.#tell('instructions', this.stated),
      send: () => assert.fail('nothing is sent here'),
      subscribe: () => assert.fail('nothing is subscribed to here'),
      onChanged: (listener) => this.#listeners.push(listener),
      close: async () => undefined,
    };
  }

  async #tell<T>(question: ListKind | 'instructions', answer: T): Promise<T> {
    this.asked[question] += 1;
    await this.meanwhile(question);
    return answer;
  }
}
