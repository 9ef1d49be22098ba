import type { JsonValue } from '@cmcp/evidence';
import { Passages, pathOf } from '../passages.ts';
import type { Passage } from '../types.ts';
import { classifierFailed } from './protocol.ts';

const MAX_TEXTS = 1_000;
const MAX_BYTES = 1_048_576;

/**
 * The texts of an answer that a classifier is sent: strings, and bodies that are text. Stops after each, as `inspecting` does.
 * @throws GatewayError INSPECTION_FAILED for more than one request may hold: what it would not see would pass unseen
 */
export function* classifiable(answer: JsonValue): Generator<void, Passage[]> {
  const passages: Passage[] = [];
  let bytes = 0;
  for (const { place, kind, text } of new Passages(answer)) {
    yield;
    if ((kind !== 'text' && kind !== 'body') || text === '') continue;
    bytes += Buffer.byteLength(text);
    if (passages.length === MAX_TEXTS) throw classifierFailed(`the answer holds more than ${MAX_TEXTS} texts`);
    if (bytes > MAX_BYTES) throw classifierFailed(`the answer's texts are longer than ${MAX_BYTES} bytes`);
    passages.push({ path: pathOf(place), kind, text });
  }
  return passages;
}
