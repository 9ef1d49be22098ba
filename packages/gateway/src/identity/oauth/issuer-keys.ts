import type { CryptoKey } from 'jose';
import { GatewayError } from '../../errors.ts';
import { keysUrlOf } from './discovery.ts';
import { type GetJson, unavailable } from './get-json.ts';
import { type KeySet, readKeySet } from './key-set.ts';

export interface IssuerKeysDeps {
  get: GetJson;
  /** Milliseconds since an arbitrary moment. */
  monotonic: () => number;
  report: (event: string, detail: string) => void;
}

interface Settings {
  issuer: string;
  jwksUri: string | null;
  outageMs: number;
}

/** Keys that are older are asked for anew, so that those that were withdrawn go. */
const REFRESH_MS = 600_000;
/** The least time between two questions: who sends tokens with invented keys does not make the gateway ask for each. */
const COOL_DOWN_MS = 30_000;
const RETRY_MS = 5_000;

/**
 * The keys of one issuer, asked for when a token needs them and kept. While the issuer cannot be reached, those that are known go on
 * being used until they are too old; then nobody is let in. It is never "let in because it could not be checked".
 */
export class IssuerKeys {
  readonly #settings: Settings;
  readonly #deps: IssuerKeysDeps;
  #known: { keys: KeySet; atMs: number } | null = null;
  #asking: Promise<void> | null = null;
  #failed: GatewayError | null = null;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Settings, deps: IssuerKeysDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  /**
   * @throws GatewayError UNAUTHENTICATED when the issuer has no such key, IDENTITY_UNAVAILABLE when that cannot be known
   */
  async find(header: { alg: string; kid: string | undefined }): Promise<CryptoKey> {
    const known = await this.#current();
    const found = await known.find(header);
    if (found !== null) return found;
    // The issuer may have a new key. A token that names none says nothing of that.
    const asked = header.kid !== undefined && (await this.#askAgain());
    const later = asked ? await (await this.#current()).find(header) : null;
    if (later === null) throw new GatewayError('UNAUTHENTICATED', `${this.#settings.issuer} has no such key`);
    return later;
  }

  async #current(): Promise<KeySet> {
    const age = this.#known === null ? Number.POSITIVE_INFINITY : this.#deps.monotonic() - this.#known.atMs;
    if (age > this.#settings.outageMs) await this.#ask();
    else if (age > REFRESH_MS) {
      const asked = this.#ask().catch(ignoreUnavailable);
      // A key that was withdrawn while nobody called opens nothing. While the issuer is away, nobody waits for it.
      if (this.#failed === null) await asked;
    }
    if (this.#known === null) throw unavailable(this.#settings.issuer, 'its keys are not known');
    return this.#known.keys;
  }

  /** Whether the keys are those of now. */
  async #askAgain(): Promise<boolean> {
    if (this.#asking === null && this.#deps.monotonic() - this.#askedMs < COOL_DOWN_MS) return false;
    await this.#ask();
    return true;
  }

  /** One question serves everybody who waits. */
  async #ask(): Promise<void> {
    if (this.#asking === null) {
      if (this.#failed !== null && this.#deps.monotonic() - this.#askedMs < RETRY_MS) throw this.#failed;
      this.#askedMs = this.#deps.monotonic();
      this.#asking = this.#fetch().finally(() => {
        this.#asking = null;
      });
    }
    await this.#asking;
  }

  async #fetch(): Promise<void> {
    try {
      const { issuer, jwksUri } = this.#settings;
      const url = jwksUri ?? (await keysUrlOf(issuer, this.#deps.get));
      const document = await this.#deps.get(url);
      const keys = document === null ? null : readKeySet(document);
      if (keys === null) throw unavailable(url, 'there is no JWK set');
      this.#known = { keys, atMs: this.#deps.monotonic() };
      this.#failed = null;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#failed = error;
      this.#deps.report('identity.unavailable', error.detail);
      throw error;
    }
  }
}

function ignoreUnavailable(error: unknown): void {
  // It was reported, and what is known goes on being used.
  if (!(error instanceof GatewayError)) throw error;
}
