import type { JsonValue } from '@cmcp/evidence';
import { plainText } from '../lint/plain-text.ts';
import { textsIn } from './texts.ts';

/** Words with which one tells somebody what to do, where a definition only has to say what something does. */
const ORDER =
  /\b(?:you (?:must|should|shall|need to|have to|are)|always|never|must|do not|don't|make sure|be sure|remember to|ignore|disregard|instead of|before (?:using|calling|you|any|every|each|all)|after (?:using|calling|you|any|every|each)|first (?:call|use|read|run|invoke)|(?:call|use|invoke|run) (?:this|it|the) (?:tool|function)? ?(?:first|before|after|instead)|the (?:user|model|assistant|agent)|system prompt)\b/i;
const END_OF_SENTENCE = /(?<=[.!?])\s+|\n+/;

export interface Sentence {
  sentence: string;
  path: string;
}

/** The sentences of `after` that `before` has not and that tell the reader to do something. */
export function newOrders(before: JsonValue | undefined, after: JsonValue): Sentence[] {
  const known = new Set(before === undefined ? [] : sentencesIn(before).map(({ sentence }) => sentence));
  return sentencesIn(after).filter(({ sentence }) => !known.has(sentence) && ORDER.test(plainText(sentence)));
}

/** The names of `others` that `after` speaks of and `before` does not. A word counts where it can only be a name. */
export function newMentions(before: JsonValue | undefined, after: JsonValue, others: ReadonlySet<string>): Sentence[] {
  const known = new Set(before === undefined ? [] : mentionsIn(before, others).map(({ sentence }) => sentence));
  return mentionsIn(after, others).filter(({ sentence }) => !known.has(sentence));
}

function sentencesIn(value: JsonValue): Sentence[] {
  return textsIn(value).flatMap(({ text, path }) =>
    text
      .split(END_OF_SENTENCE)
      .map((sentence) => ({ sentence: sentence.trim(), path }))
      .filter(({ sentence }) => sentence !== ''),
  );
}

function mentionsIn(value: JsonValue, others: ReadonlySet<string>): Sentence[] {
  return textsIn(value).flatMap(({ text, path }) => {
    const plain = plainText(text);
    const words = plain.match(/[A-Za-z][\w-]{2,}/g) ?? [];
    const names = words.filter(
      (word) => others.has(word) && (/[_-]|[a-z][A-Z]/.test(word) || isCalledTool(plain, word)),
    );
    return [...new Set(names)].map((sentence) => ({ sentence, path }));
  });
}

function isCalledTool(text: string, word: string): boolean {
  return ['`WORD`', "'WORD'", '"WORD"', 'WORD tool', 'tool WORD'].some((form) =>
    text.includes(form.replace('WORD', word)),
  );
}
