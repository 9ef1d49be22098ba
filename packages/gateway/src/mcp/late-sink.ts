import type { StreamSink } from './exchange.ts';

/** Characters that wait before what may be left out is. */
const MAX_WAITING = 65_536;

/** A stream that is written to before its connection is there: between the decision for a stream and its first byte. */
export class LateSink implements StreamSink {
  #sink: StreamSink | null = null;
  #waiting: ((sink: StreamSink) => void)[] = [];
  #length = 0;

  connect(sink: StreamSink): void {
    this.#sink = sink;
    for (const step of this.#waiting.splice(0)) step(sink);
  }

  get full(): boolean {
    return this.#sink?.full ?? this.#length > MAX_WAITING;
  }

  write(text: string): void {
    if (this.#sink === null) this.#length += text.length;
    this.#step((sink) => sink.write(text));
  }

  beat(): void {
    this.#sink?.beat();
  }

  end(): void {
    this.#step((sink) => sink.end());
  }

  onClose(listener: () => void): void {
    this.#step((sink) => sink.onClose(listener));
  }

  #step(step: (sink: StreamSink) => void): void {
    if (this.#sink === null) this.#waiting.push(step);
    else step(this.#sink);
  }
}
