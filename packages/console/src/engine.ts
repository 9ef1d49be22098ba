import type { Examined, Question } from './verification/examine.ts';

/** Chromium's guard against scripts made of text, which no library of TypeScript's knows yet. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

interface Waiting {
  resolve(examined: Examined): void;
  reject(error: Error): void;
}

/** The verifier in a thread of its own, so that the page stays usable however long a session is. */
export class Engine {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  /** @param script the page's own script, which serves questions where there is no document */
  constructor(script: string) {
    this.#worker = new Worker(scriptUrl(script));
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      this.#waiting.get(data.number)?.resolve(data.examined);
      this.#waiting.delete(data.number);
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message));
      this.#waiting.clear();
    };
  }

  /** @throws Error when the verifier stopped, which it must not: then there is no answer, and none may be shown */
  ask(question: Question): Promise<Examined> {
    this.#asked++;
    const number = this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, question } satisfies Asked);
    });
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
