import type { Answer, Asked } from './engine.ts';
import { examine } from './verification/examine.ts';

/** Answers questions in the thread of the verifier. */
export function serve(): void {
  self.onmessage = ({ data }: MessageEvent<Asked>) => {
    examine(data.question).then(
      (examined) => self.postMessage({ number: data.number, examined } satisfies Answer),
      // The page hears of it as of an error of this thread, and shows no verdict.
      (error: unknown) => reportError(error),
    );
  };
}
