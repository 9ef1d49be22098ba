import type { Socket } from 'node:net';
import type { Clock, Timers } from '@cmcp/gateway/client';
import type { Checked } from './check-gateway.ts';
import { ConnectFailure } from './failure.ts';
import { peerKey } from './peer-key.ts';

/** The next check comes when this much of the validity is over. */
const RENEWED_AFTER = 0.8;
/** Pauses before a gateway that does not answer is asked again, in milliseconds: it may be starting. */
const PAUSES_MS = [500, 2_000, 5_000];
/** A check may be out of date as soon as it passed; after so many, that is not going to change. */
const MAX_ROUNDS = 5;
const NEVER_COVERED =
  'no check of the gateway stays in date: its clock is too far behind, or its connections are lost meanwhile';
/** What timers take at most. */
const LONGEST_MS = 2_147_483_647;

export interface GateDeps {
  check: () => Promise<Checked>;
  clock: Clock;
  timers: Timers;
  /** Checks again this often at least, in milliseconds; null: before the validity ends. */
  reverifyMs: number | null;
  onChecked: (checked: Checked) => void;
  /** Connections that were opened so far are not covered by any check now. */
  onVoid: (why: string) => void;
  /** A check was refused: the end. */
  onRefused: (failure: ConnectFailure) => void;
}

/** A connection was not used because the gateway has to be checked first; nothing was sent over it. */
export class RecheckNeeded extends Error {
  override readonly name = 'RecheckNeeded';
}

/**
 * Holds traffic until a check of the gateway covers it. A check covers connections that end at the attested key and are opened
 * while it is in date and no connection was lost: a gateway that can only be reached anew may be another one.
 */
export class Gate {
  readonly #deps: GateDeps;
  #held: Checked | null = null;
  #refused: ConnectFailure | null = null;
  #running: Promise<void> | null = null;
  #stale = true;
  /** Counts lost connections, so that a loss during a check is not forgotten. */
  #losses = 0;
  #open = 0;
  #stopTimer: () => void = () => {};
  #endPause: () => void = () => {};
  #closed = false;

  constructor(deps: GateDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when traffic may flow, after a check where one is due.
   * @throws ConnectFailure `not_attested`, or `not_reached` when no check could be had
   */
  async ready(): Promise<void> {
    for (let round = 1; ; round += 1) {
      if (this.#refused !== null) throw this.#refused;
      if (this.#running === null && this.#covers()) return;
      if (round > MAX_ROUNDS) throw new ConnectFailure('not_reached', NEVER_COVERED);
      await this.#check();
    }
  }

  /** Why a connection over which nothing was sent yet is not to be used, or null: it is, and is watched from now on. */
  admit(socket: Socket): RecheckNeeded | null {
    if (this.#held === null || !this.#covers()) return new RecheckNeeded('the check of the gateway is out of date');
    if (peerKey(socket) !== this.#held.tlsSpki) {
      this.#stale = true;
      return new RecheckNeeded('the TLS key is not the attested one');
    }
    this.#watch(socket);
    return null;
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    this.#endPause();
  }

  #covers(): boolean {
    if (this.#held === null || this.#stale || this.#refused !== null) return false;
    const now = this.#deps.clock.nowMicros();
    // A clock that went back says nothing about validity.
    return now >= this.#held.checkedAt && now < this.#held.validUntil;
  }

  /** The end of a connection by the other side, or of the last one by whomever, makes the next one a reconnect. */
  #watch(socket: Socket): void {
    this.#open += 1;
    let byPeer = false;
    socket.once('end', () => {
      byPeer = true;
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      byPeer ||= error.syscall !== undefined;
    });
    socket.once('close', () => {
      this.#open -= 1;
      if (!byPeer && this.#open > 0) return;
      this.#losses += 1;
      this.#stale = true;
    });
  }

  #check(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const losses = this.#losses;
    const before = this.#held;
    const checked = await this.#attempts(before === null ? [] : PAUSES_MS);
    this.#held = checked;
    this.#stale = losses !== this.#losses;
    this.#scheduleRenewal(checked);
    if (before !== null && before.tlsSpki !== checked.tlsSpki) this.#deps.onVoid('the TLS key of the gateway changed');
    this.#deps.onChecked(checked);
  }

  /** A gateway that does not answer is asked again; one that gives the wrong answer is not. */
  async #attempts(pauses: readonly number[]): Promise<Checked> {
    const [pause, ...rest] = pauses;
    try {
      return await this.#deps.check();
    } catch (error) {
      if (!(error instanceof ConnectFailure) || error.reason !== 'not_reached') throw this.#refuse(error);
      if (pause === undefined || this.#closed) throw error;
      await this.#pause(pause);
      return this.#attempts(rest);
    }
  }

  /** Ends early when the gate is closed: there is nothing to wait for then. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#deps.timers.after(ms, resolve);
      this.#endPause = () => {
        stop();
        resolve();
      };
    });
  }

  #refuse(error: unknown): ConnectFailure {
    const refused =
      error instanceof ConnectFailure
        ? error
        : new ConnectFailure('not_attested', `the gateway could not be checked: ${String(error)}`, { cause: error });
    this.#refused = refused;
    this.#stopTimer();
    this.#deps.onRefused(refused);
    return refused;
  }

  #scheduleRenewal({ checkedAt, validUntil }: Checked): void {
    const validMs = (validUntil - checkedAt) / 1000;
    const renewMs = Math.min(validMs * RENEWED_AFTER, this.#deps.reverifyMs ?? validMs);
    this.#later(renewMs, () => void this.#renew(validUntil));
  }

  async #renew(validUntil: number): Promise<void> {
    try {
      await this.#check();
    } catch (error) {
      if (!(error instanceof ConnectFailure)) throw error;
      // A refusal was told to whoever has to end; without an answer, what is held counts until it is out of date.
      if (error.reason !== 'not_reached' || this.#closed) return;
      const leftMs = (validUntil - this.#deps.clock.nowMicros()) / 1000;
      this.#later(Math.max(0, leftMs), () => {
        this.#stale = true;
        this.#deps.onVoid('the gateway could not be checked again in time');
      });
    }
  }

  #later(ms: number, run: () => void): void {
    this.#stopTimer();
    if (!this.#closed) this.#stopTimer = this.#deps.timers.after(Math.min(ms, LONGEST_MS), run);
  }
}
