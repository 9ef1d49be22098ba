import {
  FormatError,
  isObject,
  type JsonObject,
  type JsonValue,
  type KeySuccession,
  parseTimestamp,
  policyKeyId,
  readSuccession,
  verifySuccession,
} from '@cmcp/evidence';
import type { AuditLog, StandingText } from './audit/types.ts';
import { GatewayError } from './errors.ts';
import { admitBundle, type Candidate, type Pins } from './policy/admission.ts';
import {
  keyInForce,
  mergeStandings,
  NO_STANDING,
  readStanding,
  type Standing,
  standingText,
  successorOf,
} from './policy/standing.ts';

/** Enters what was done in the gateway chain, and stores with it what the store remembers from now on. */
export type EnterStanding = (standing: StandingText) => Promise<void>;

/** Who may sign policy bundles, and how new they have to be: kept in the audit store, so that it outlives process and files. */
export class PolicyStanding {
  readonly #pins: Pins;
  #standing: Standing;

  private constructor(pins: Pins, standing: Standing) {
    this.#pins = pins;
    this.#standing = standing;
  }

  /**
   * What the store of `log` remembers, with what other stores of the same data folder have revoked or activated.
   *
   * @throws GatewayError STORE_INVALID
   */
  static async open(log: AuditLog, pins: Pins, elsewhere: readonly Standing[]): Promise<PolicyStanding> {
    const text = await log.standing('policy');
    const own = text === null ? NO_STANDING : readStanding(text);
    if (own === null)
      throw new GatewayError('STORE_INVALID', 'what the audit store remembers of policy keys cannot be read');
    return new PolicyStanding(pins, elsewhere.reduce(mergeStandings, own));
  }

  /** See {@link admitBundle}. */
  admit(bundle: Candidate): Promise<string | null> {
    return admitBundle(this.#pins, this.#standing, bundle);
  }

  /** Has an activation entered, and remembers it where a key is pinned: there is no way back to an older bundle. */
  async activated({ hash, version }: Pick<Candidate, 'hash' | 'version'>, enter: EnterStanding): Promise<void> {
    const { pin, key } = this.#pins;
    const activated = key === null ? this.#standing.activated : { version, hash, pin };
    await this.#become({ ...this.#standing, activated }, enter);
  }

  /** From when it resolves, and after any restart, this key can put nothing in force. Idempotent. */
  async revoke(keyId: string, enter: EnterStanding): Promise<void> {
    const revoked = [...new Set([...this.#standing.revoked, keyId])];
    await this.#become({ ...this.#standing, revoked }, enter);
  }

  /**
   * Accepts who may sign once the key in force is revoked. Until then the successor signs nothing: a key is trusted, or its successor is.
   *
   * @throws GatewayError INVALID_PARAMS, POLICY_KEY_REVOKED, POLICY_SIGNATURE_INVALID
   */
  async succeed(
    statement: JsonValue,
    enter: (named: JsonObject, standing: StandingText) => Promise<void>,
  ): Promise<JsonObject> {
    const { signed, said } = await this.#checked(statement);
    const { currentKeyId, successor, issuedAt, reason } = said;
    const ids = { current_key_id: currentKeyId, successor_key_id: policyKeyId(successor) };
    const named = { ...ids, issued_at: issuedAt, reason };
    const successions = [...this.#standing.successions, signed];
    await this.#become({ ...this.#standing, successions }, (text) => enter(named, text));
    return named;
  }

  /** Ids of the keys: the pinned one, the one that may sign now, and the one that may after it. */
  get keys(): { pinned: string | null; inForce: string | null; successor: string | null; revoked: readonly string[] } {
    const { revoked, successions } = this.#standing;
    const pinned = this.#pins.key;
    const key = pinned === null ? null : keyInForce(this.#standing, pinned);
    const next = key === null ? undefined : successorOf(successions, policyKeyId(key));
    const id = (x: string | null | undefined): string | null => (x === null || x === undefined ? null : policyKeyId(x));
    return { pinned: id(pinned), inForce: id(key), successor: id(next), revoked };
  }

  /** The newest bundle that was activated under a pinned key. */
  get activatedLast(): Standing['activated'] {
    return this.#standing.activated;
  }

  async #checked(statement: JsonValue): Promise<{ signed: JsonObject; said: KeySuccession }> {
    const said = succession(statement);
    const pinned = this.#pins.key;
    if (pinned === null)
      throw new GatewayError('INVALID_PARAMS', 'no policy.key is pinned, so there is none to succeed');
    const { revoked, successions } = this.#standing;
    for (const id of [said.currentKeyId, policyKeyId(said.successor)])
      if (revoked.includes(id)) throw new GatewayError('POLICY_KEY_REVOKED', `the key ${id} is revoked`);
    const key = keyInForce(this.#standing, pinned);
    if (key === null || policyKeyId(key) !== said.currentKeyId)
      throw new GatewayError(
        'INVALID_PARAMS',
        `the statement is by ${said.currentKeyId}, which is not the key in force`,
      );
    if (!isObject(statement) || (await verifySuccession(statement, key)) !== 'valid')
      throw new GatewayError('POLICY_SIGNATURE_INVALID', `the statement is not signed by ${said.currentKeyId}`);
    const before = successions.map(readSuccession).findLast(({ currentKeyId }) => currentKeyId === said.currentKeyId);
    if (before !== undefined && micros(said.issuedAt) <= micros(before.issuedAt))
      throw new GatewayError(
        'INVALID_PARAMS',
        `a statement of ${before.issuedAt} was accepted before; this is no later one`,
      );
    return { signed: statement, said };
  }

  async #become(next: Standing, enter: EnterStanding): Promise<void> {
    await enter({ name: 'policy', text: standingText(next) });
    this.#standing = next;
  }
}

function micros(time: string): number {
  return parseTimestamp(time) ?? 0;
}

function succession(statement: JsonValue): KeySuccession {
  try {
    return readSuccession(statement);
  } catch (error) {
    if (error instanceof FormatError) throw new GatewayError('INVALID_PARAMS', error.message);
    throw error;
  }
}
