import { FormatError } from '@cmcp/evidence';
import { Backoff } from '../../upstream/backoff.ts';
import type { MonotonicTimers } from '../../upstream/monotonic.ts';
import { bundleDigest, type TrustBundle } from './bundle.ts';
import type { BundleDeps, BundleSource } from './bundles.ts';
import type { OpenStream } from './workload-client.ts';
import { readJwtBundles, readX509Bundles } from './workload-messages.ts';

export interface WorkloadApiDeps extends BundleDeps {
  open: OpenStream;
  timers: MonotonicTimers;
}

/** What the agent said last; null: nothing yet. */
interface Said {
  x509: ReturnType<typeof readX509Bundles> | null;
  jwt: ReturnType<typeof readJwtBundles> | null;
}

/**
 * Bundles that an agent gives and goes on giving (SPIFFE Workload API). Each message is the whole truth: what it leaves out is withdrawn.
 * While the agent is away, what it said last is in use.
 */
export class WorkloadApi implements BundleSource {
  readonly #deps: WorkloadApiDeps;
  readonly #wanted: ReadonlySet<string>;
  readonly #said: Said = { x509: null, jwt: null };
  readonly #bundles = new Map<string, TrustBundle>();
  readonly #ends = new Set<() => void>();
  #closed = false;

  /** @param jwt whether keys of JWT-SVIDs are asked for */
  constructor(trustDomains: readonly string[], jwt: boolean, deps: WorkloadApiDeps) {
    this.#wanted = new Set(trustDomains);
    this.#deps = deps;
    void this.#follow('FetchX509Bundles', (bytes) => {
      this.#said.x509 = readX509Bundles(bytes, this.#wanted);
    });
    if (!jwt) return;
    void this.#follow('FetchJWTBundles', (bytes) => {
      this.#said.jwt = readJwtBundles(bytes, this.#wanted);
    });
  }

  bundleOf(trustDomain: string): TrustBundle | null {
    return this.#bundles.get(trustDomain) ?? null;
  }

  /** The agent says by itself what changes. */
  async reload(): Promise<void> {}

  close(): void {
    this.#closed = true;
    for (const end of this.#ends) end();
  }

  /** Asks again whenever a stream ends. */
  async #follow(method: string, take: (bytes: Uint8Array<ArrayBuffer>) => void): Promise<void> {
    const backoff = new Backoff(this.#deps.timers);
    this.#ends.add(() => backoff.release());
    let reported: string | null = null;
    const failed = (why: string): void => {
      if (why !== reported && !this.#closed)
        this.#deps.report(
          'IDENTITY_UNAVAILABLE',
          `the Workload API (${method}): ${why}; what it said before stays in use`,
        );
      reported = why;
    };
    while (!this.#closed) {
      backoff.started();
      const why = await this.#stream(method, (bytes) => {
        const problem = this.#attempt(() => take(bytes));
        if (problem === null) reported = null;
        else failed(problem);
      });
      failed(why);
      backoff.ended();
      await backoff.due();
    }
  }

  #stream(method: string, onMessage: (bytes: Uint8Array<ArrayBuffer>) => void): Promise<string> {
    return new Promise((resolve) => {
      const end = this.#deps.open(method, {
        onMessage,
        onEnd: (why) => {
          this.#ends.delete(end);
          resolve(why);
        },
      });
      this.#ends.add(end);
    });
  }

  /** What is wrong with a message, which then changes nothing; null: it is in force. */
  #attempt(take: () => void): string | null {
    try {
      take();
    } catch (error) {
      if (error instanceof FormatError) return error.message;
      throw error;
    }
    for (const domain of this.#wanted) this.#settle(domain);
    return null;
  }

  #settle(domain: string): void {
    const { x509, jwt } = this.#said;
    const authorities = x509?.get(domain);
    const jwtKeys = jwt?.get(domain) ?? (jwt === null ? null : new Map());
    const before = this.#bundles.get(domain);
    if (authorities === undefined && !jwtKeys?.size) {
      if (this.#bundles.delete(domain)) this.#deps.changed(domain, null);
      return;
    }
    const next = { authorities: authorities ?? [], jwtKeys };
    if (before !== undefined && bundleDigest(before) === bundleDigest(next)) return;
    this.#bundles.set(domain, next);
    this.#deps.changed(domain, next);
  }
}
