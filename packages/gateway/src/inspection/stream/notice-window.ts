import type { JsonObject } from '@cmcp/evidence';
import type { Notice } from '../../mcp/types.ts';
import { type Inspecting, inspecting } from '../inspector.ts';
import { type Finding, type InspectionSettings, MATCH_SPAN } from '../types.ts';
import { isClosed, isClosedBy } from './closed.ts';
import { isWordless, type SaidText, saidOf, textsOf } from './said.ts';
import { View } from './view.ts';

/** A notice that may be passed on, once what was found in it is dealt with. */
export interface Seen {
  notice: Notice;
  /** What it says, as JSON. */
  said: JsonObject;
  findings: Finding[];
  /** Bodies in it that are not text. */
  notScanned: number;
}

export interface Taken {
  /** In the order in which they came. */
  seen: Seen[];
  /** What was found in anything that is not passed on yet, also where the rest of it is still to come. */
  found: Finding[];
}

/** `open`: nothing is held. */
export type Holding = InspectionSettings['stream'] | 'open';

/** Notices that are held at once while more may follow; in a window the first then goes, with what followed it seen. */
const MAX_HELD = 16;
const MAX_HELD_BUFFERED = 1024;
const MAX_UNITS = 256 * 1024;
/** Places in logs that are read one by one; what is said at others is read together. */
const MAX_CHANNELS = 32;

interface Held {
  notice: Notice;
  said: JsonObject;
  texts: SaidText[];
  units: number;
  /** What was found in it by itself, with names and numbers. */
  own: Finding[];
  notScanned: number;
}

/**
 * What a server says before its answer, held back until it and what follows it were looked through: a secret or an instruction may be
 * split over several notices. Each is looked at by itself, with what is said at the same place before and after it as one text, and as
 * a line among all others. Memory is bounded: so much is held at most, and so much kept of what was passed on.
 */
export class NoticeWindow {
  readonly #how: Inspecting;
  readonly #holding: Holding;
  readonly #channels = new Map<string, View<Held>>();
  readonly #others = new View<Held>('');
  /** Everything that is said, as lines. */
  readonly #lines = new View<Held>('\n');
  #held: Held[] = [];
  #units = 0;

  constructor(how: Inspecting, holding: Holding) {
    this.#how = how;
    this.#holding = holding;
  }

  /** Takes what was said next, and gives what may go on. What cannot be held any more, and may not go on, is dropped. */
  *take(notice: Notice): Generator<void, Taken> {
    const said = saidOf(notice);
    if (isWordless(notice)) {
      const { findings, notScanned } = yield* inspecting(said, this.#how);
      return { seen: [{ notice, said, findings, notScanned }], found: findings };
    }
    const texts = textsOf(notice, said);
    const units = texts.reduce((sum, { text }) => sum + text.length, 0);
    if (this.#holding === 'buffered' && this.#isFull(units)) return { seen: [], found: [] };
    const held: Held = { notice, said, texts, units, own: [], notScanned: 0 };
    yield* this.#look(held);
    const found = [...held.own, ...this.#views().flatMap((view) => view.found())];
    return { seen: this.#holding === 'buffered' ? [] : this.#passed(), found };
  }

  /** Nothing follows any more: everything may go on. */
  end(): Seen[] {
    return this.#held.map((held) => this.#pass(held));
  }

  *#look(held: Held): Generator<void, void> {
    this.#held.push(held);
    this.#units += held.units;
    const { findings, notScanned } = yield* inspecting(held.said, this.#how);
    Object.assign(held, { own: findings, notScanned });
    const views = new Set<View<Held>>([this.#lines]);
    for (const text of held.texts) {
      const channel = this.#channel(text.channel);
      channel.add(held, text);
      this.#lines.add(held, text);
      views.add(channel);
    }
    for (const view of views) yield* view.inspect(this.#how);
  }

  #channel(name: string): View<Held> {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    if (this.#channels.size === MAX_CHANNELS) return this.#others;
    const fresh = new View<Held>('');
    this.#channels.set(name, fresh);
    return fresh;
  }

  /** What need not wait any longer. Progress does not wait for logs, nor logs for progress. */
  #passed(): Seen[] {
    const waiting = new Set<Notice['kind']>();
    const passed: Seen[] = [];
    for (const held of this.#held) {
      const { kind } = held.notice;
      if (!waiting.has(kind) && this.#mayGo(held)) passed.push(this.#pass(held));
      else waiting.add(kind);
    }
    return passed;
  }

  #mayGo(held: Held): boolean {
    if (this.#holding === 'open' || this.#held.length > MAX_HELD || this.#units > MAX_UNITS) return true;
    return held.texts.every(({ channel, text }) => {
      if (isClosed(text)) return true;
      const after = this.#channel(channel).after(held);
      return after.length >= MATCH_SPAN || isClosedBy(text, after);
    });
  }

  #pass(held: Held): Seen {
    this.#held = this.#held.filter((other) => other !== held);
    this.#units -= held.units;
    const findings = [...held.own, ...this.#views().flatMap((view) => view.foundIn(held))];
    for (const view of this.#views()) view.pass(held);
    const { notice, said, notScanned } = held;
    return { notice, said, findings: distinct(findings), notScanned };
  }

  #views(): View<Held>[] {
    return [this.#lines, this.#others, ...this.#channels.values()];
  }

  #isFull(units: number): boolean {
    return this.#held.length >= MAX_HELD_BUFFERED || this.#units + units > MAX_UNITS;
  }
}

/** Each look finds what the others find. */
function distinct(findings: readonly Finding[]): Finding[] {
  const known = new Map<string, Finding>();
  for (const finding of findings) {
    const { rule, start, end, passage } = finding;
    known.set(JSON.stringify([rule, start, end, passage.kind, passage.path]), finding);
  }
  return [...known.values()];
}
