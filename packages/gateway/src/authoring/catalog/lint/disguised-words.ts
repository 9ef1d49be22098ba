import { disguisedWords, excerpt } from './plain-text.ts';
import { eachText, type Rule } from './rule.ts';

/** Words that mix alphabets so that they read as another word (D-14, ATK-04). A name is never that by accident. */
export const disguises: Rule = eachText((text) => {
  const words = disguisedWords(text.text);
  if (words.length === 0) return [];
  return [
    {
      rule: 'disguised-word',
      severity: text.role === 'value' ? 'warning' : 'error',
      message: `mixes alphabets in words that read as others: ${words
        .slice(0, 3)
        .map((word) => excerpt(word))
        .join(', ')}`,
      fix: 'Do not approve it: an honest server spells its words in one alphabet.',
    },
  ];
});
