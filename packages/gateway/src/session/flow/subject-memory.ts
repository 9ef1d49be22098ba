import { FingerprintTable } from './fingerprint-table.ts';
import { Holders } from './holders.ts';
import type { FlowSource } from './view.ts';
import { ANCHOR, fingerprintRoom, type WindowKey } from './window-key.ts';

/**
 * What one subject was shown, as fingerprints in two generations: when the younger is full the older is forgotten, so that what was
 * shown last is remembered longest.
 */
export class SubjectMemory {
  readonly #key: WindowKey;
  readonly #most: number;
  readonly #room = fingerprintRoom();
  #young = new FingerprintTable();
  #old: FingerprintTable | null = null;
  #holders = new Holders();
  #complete = true;

  /** `most`: fingerprints in each generation. */
  constructor(key: WindowKey, most: number) {
    this.#key = key;
    this.#most = most;
  }

  /** False once something that was seen is not remembered. */
  get complete(): boolean {
    return this.#complete;
  }

  get bytes(): number {
    return this.#young.bytes + (this.#old?.bytes ?? 0);
  }

  get isEmpty(): boolean {
    return this.#young.size === 0 && this.#old === null;
  }

  /** Something was seen that is not remembered. */
  miss(): void {
    this.#complete = false;
  }

  /** Everything that is remembered goes; what was seen then is no longer known. */
  forget(): void {
    if (!this.isEmpty) this.#complete = false;
    this.#young = new FingerprintTable();
    this.#old = null;
    this.#holders = new Holders();
  }

  /** The source as {@link learn} takes it. */
  source(source: FlowSource): FlowSource {
    return this.#holders.known(source);
  }

  /** Whether a window is remembered, whoever gave it. */
  knows(codes: Uint16Array, start: number, length: number): boolean {
    this.#key.fingerprints(codes, start, 1, 1 << length, this.#room);
    return this.#holder(length) !== 0;
  }

  learn(codes: Uint16Array, start: number, length: number, source: FlowSource): void {
    this.#key.fingerprints(codes, start, 1, 1 << length, this.#room);
    const [first = 0, second = 0] = [this.#room[2 * length], this.#room[2 * length + 1]];
    const young = this.#young.holderOf(first, second);
    const holder = this.#holders.with(young || (this.#old?.holderOf(first, second) ?? 0), source);
    if (holder === young) return;
    if (holder === null) {
      this.miss();
      return;
    }
    this.#young.put(first, second, holder);
    if (young === 0 && length >= ANCHOR) this.#young.putAnchor(this.#key.anchor(codes, start, 1), length);
    if (this.#young.size >= this.#most) this.#age();
  }

  /** Adds to `found` what gave the window of `length` that begins here. */
  at(codes: Uint16Array, start: number, length: number, found: Set<FlowSource>): void {
    this.#check(codes, start, 1, 1 << length, found);
  }

  /** Adds to `found` what gave any window of the first `length` codes, read forwards or backwards. */
  within(codes: Uint16Array, length: number, found: Set<FlowSource>): void {
    const { base, top, inverse } = this.#key;
    const [young, old] = [this.#young, this.#old];
    let forwards = this.#key.anchor(codes, 0, 1);
    let backwards = this.#key.anchor(codes, ANCHOR - 1, -1);
    for (let start = 0; start + ANCHOR <= length; start += 1) {
      const lengths = young.lengthsAt(forwards) | (old === null ? 0 : old.lengthsAt(forwards));
      if (lengths !== 0) this.#check(codes, start, 1, lengths & upTo(length - start), found);
      const turned = young.lengthsAt(backwards) | (old === null ? 0 : old.lengthsAt(backwards));
      if (turned !== 0) this.#check(codes, start + ANCHOR - 1, -1, turned & upTo(start + ANCHOR), found);
      const [leaving, entering] = [codes[start] ?? 0, codes[start + ANCHOR] ?? 0];
      forwards = (Math.imul((forwards - Math.imul(leaving, top)) | 0, base) + entering) | 0;
      backwards = (Math.imul((backwards - leaving) | 0, inverse) + Math.imul(entering, top)) | 0;
    }
  }

  #check(codes: Uint16Array, start: number, step: number, lengths: number, found: Set<FlowSource>): void {
    this.#key.fingerprints(codes, start, step, lengths, this.#room);
    for (let left = lengths; left !== 0; ) {
      const length = 31 - Math.clz32(left);
      left &= ~(1 << length);
      const holder = this.#holder(length);
      if (holder !== 0) for (const source of this.#holders.sourcesOf(holder)) found.add(source);
    }
  }

  /** Of the fingerprint of this length that was made last. */
  #holder(length: number): number {
    const [first = 0, second = 0] = [this.#room[2 * length], this.#room[2 * length + 1]];
    return this.#young.holderOf(first, second) || (this.#old?.holderOf(first, second) ?? 0);
  }

  #age(): void {
    if (this.#old !== null) this.#complete = false;
    this.#old = this.#young;
    this.#young = new FingerprintTable();
  }
}

/** Bits of the lengths up to `most`. */
function upTo(most: number): number {
  return most >= 31 ? -1 : (1 << (most + 1)) - 1;
}
