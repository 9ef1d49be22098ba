import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs';
import type { BundlePolicy } from './parse.ts';
import { type Prepared, prepare } from './prepared.ts';
import type { CedarRequest, RequestBuilder } from './request.ts';
import { Sliced } from './sliced.ts';

/** Sets of policies without those that somebody approved away. People approve few things at a time. */
const MAX_SETS = 8;

/**
 * Asks Cedar about a bundle without some of its forbids. What is left decides as ever: an approval permits nothing, so a request that no
 * permit is about stays denied.
 */
export class Lifted {
  readonly #policies: readonly BundlePolicy[];
  readonly #schema: string;
  readonly #requests: RequestBuilder;
  readonly #sets = new Map<string, Pick<Prepared, 'ask' | 'release'>>();
  #released = false;

  constructor(policies: readonly BundlePolicy[], schema: string, requests: RequestBuilder) {
    this.#policies = policies;
    this.#schema = schema;
    this.#requests = requests;
  }

  /** `ids`: the forbids that are left out. */
  ask(request: CedarRequest, ids: readonly string[]): AuthorizationAnswer {
    const left = this.#policies.filter(({ id, effect }) => effect === 'permit' || !ids.includes(id));
    const key = JSON.stringify(left.map(({ id }) => id));
    return (this.#sets.get(key) ?? this.#prepared(key, left)).ask(request);
  }

  release(): void {
    this.#released = true;
    this.#clear();
  }

  #prepared(key: string, policies: readonly BundlePolicy[]): Pick<Prepared, 'ask' | 'release'> {
    const texts = Object.fromEntries(policies.map(({ id, text }) => [id, text]));
    const set = new Sliced(prepare(texts, this.#schema), policies, this.#requests);
    if (this.#released) {
      set.release();
      return set;
    }
    if (this.#sets.size >= MAX_SETS) this.#clear();
    this.#sets.set(key, set);
    return set;
  }

  #clear(): void {
    for (const set of this.#sets.values()) set.release();
    this.#sets.clear();
  }
}
