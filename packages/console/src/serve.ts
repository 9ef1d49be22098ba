import type { Answer, Asked } from './engine.ts';
import { examine } from './verification/examine.ts';

/** Answers questions in the thread of the verifier, one after the other. */
export function serve(): void {
  let last: Promise<void> = Promise.resolve();
  self.onmessage = ({ data }: MessageEvent<Asked>) => {
    // An error is not caught: it reaches the page as the end of this thread, and the page shows no verdict.
    last = last.then(async () => {
      const examined = await examine(data.question);
      self.postMessage({ number: data.number, examined } satisfies Answer);
    });
  };
}
