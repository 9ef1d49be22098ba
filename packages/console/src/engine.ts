import type { Examined, Question } from './verification/examine.ts';

/** Chromium's guard against scripts made of text, which no library of TypeScript's knows yet. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** A question that waits for its answer, or for its turn. */
interface Asking extends Asked {
  resolve(examined: Examined): void;
  reject(error: Error): void;
}

/** The verifier in a thread of its own, so that the page stays usable however long a session is. One question at a time. */
export class Engine {
  readonly #worker: Worker;
  #asked = 0;
  #current: Asking | null = null;
  #next: Asking | null = null;

  /** @param script the page's own script, which serves questions where there is no document */
  constructor(script: string) {
    this.#worker = new Worker(scriptUrl(script));
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const answered = this.#current;
      this.#send(this.#next);
      if (data.number === answered?.number) answered.resolve(data.examined);
    };
    this.#worker.onerror = (event) => {
      for (const asking of [this.#current, this.#next]) asking?.reject(new Error(event.message));
      this.#send(null);
    };
  }

  /**
   * Asks. A question that waits for its turn is dropped when another one is asked: its promise stays open.
   * @throws Error when the verifier stopped, which it must not: then there is no answer, and none may be shown
   */
  ask(question: Question): Promise<Examined> {
    this.#asked++;
    const number = this.#asked;
    return new Promise((resolve, reject) => {
      const asking = { number, question, resolve, reject };
      if (this.#current === null) this.#send(asking);
      else this.#next = asking;
    });
  }

  #send(asking: Asking | null): void {
    this.#current = asking;
    this.#next = null;
    if (asking !== null) this.#worker.postMessage({ number: asking.number, question: asking.question } satisfies Asked);
  }
}

/** What goes to the thread of the verifier. */
export interface Asked {
  number: number;
  question: Question;
}

/** What comes back. */
export interface Answer {
  number: number;
  examined: Examined;
}

function scriptUrl(script: string): string {
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  return trustedTypes?.createPolicy('cmcp-worker', { createScriptURL: (own) => own }).createScriptURL(url) ?? url;
}
