import { printable } from '@cmcp/evidence';

/** Words from a file: no control character acts, and their writing direction stays theirs. */
export function Given({ text }: { text: string }) {
  return <bdi>{printable(text)}</bdi>;
}
