import { nearest } from '../../../config/nearest.ts';
import type { Finding } from '../../finding.ts';
import { shapeOf } from './likeness.ts';
import { excerpt, plainText } from './plain-text.ts';
import { nameOf, type Rule } from './rule.ts';
import type { LintRecord, LintServer } from './subject.ts';

/** A server that speaks of another server's tools, or offers tools that could be taken for them (ATK-04, G17). */
export const shadowing: Rule = ({ records }) => {
  const tools = records.filter(({ kind }) => kind === 'tool');
  return [...sameNames(tools), ...mentions(records, tools)];
};

const WORD = /[A-Za-z][\w-]{4,}/g;
/** A word that is no word of a sentence: `send_email`, `sendEmail`, `get-sum`. */
const IDENTIFIER = /[a-z0-9][_-][a-z0-9]|[a-z][A-Z]/;

function mentions(records: readonly LintRecord[], tools: readonly LintRecord[]): Finding[] {
  const holders = grouped(tools, ({ name }) => [name]);
  return records.flatMap((record) =>
    record.texts.flatMap(({ text, where, role }) => {
      if (role !== 'value') return [];
      const found = wordsFor(plainText(text)).filter((word) => isForeign(holders.get(word), record.server));
      return found.map((word): Finding => {
        const other = holders.get(word)?.[0]?.server.id ?? '';
        return {
          rule: 'cross-server-mention',
          severity: 'warning',
          where,
          message: `${nameOf(record)} of server ${excerpt(record.server.id)} speaks of ${excerpt(word)}, a tool of server ${excerpt(other)}`,
          fix: 'A server has no business with the tools of another. Do not approve the text unless it says nothing that changes how that tool is used.',
        };
      });
    }),
  );
}

/** Each word once that can only be meant as a name: an identifier, or a word called a tool or set in quotes. */
function wordsFor(text: string): string[] {
  const words = [...text.matchAll(WORD)].filter(({ 0: word, index }) => {
    const after = text.slice(index + word.length, index + word.length + 8);
    return IDENTIFIER.test(word) || /^[`"'’]?\s(?:tool|function)\b/.test(after) || /^`/.test(after);
  });
  return [...new Set(words.map(([word]) => word))];
}

function isForeign(holders: readonly LintRecord[] = [], own: LintServer): boolean {
  return holders.length > 0 && holders.every(({ server }) => server !== own);
}

/** Tools of two servers under one name, or nearly one. What a catalog calls them must differ; what servers call them need not. */
function sameNames(tools: readonly LintRecord[]): Finding[] {
  const near = grouped(tools, ({ name }) => nearKeys(shapeOf(name)));
  return tools.flatMap((tool, index) => {
    const others = new Set(nearKeys(shapeOf(tool.name)).flatMap((key) => near.get(key) ?? []));
    const twin = [...others].find(
      (other) => other.server !== tool.server && tools.indexOf(other) < index && isNear(other, tool),
    );
    if (twin === undefined) return [];
    return [
      {
        rule: 'shadowed-tool',
        severity: 'warning' as const,
        where: tool.where,
        message: `server ${excerpt(tool.server.id)} offers ${excerpt(tool.name)}, server ${excerpt(twin.server.id)} offers ${excerpt(twin.name)}: an agent could take one for the other`,
        fix: 'Approve one of them, or give them an "alias" that says which is which.',
      },
    ];
  });
}

function isNear(a: LintRecord, b: LintRecord): boolean {
  const [one, other] = [shapeOf(a.name), shapeOf(b.name)];
  return one === other || (Math.min(one.length, other.length) >= 7 && nearest(one, [other], 1) !== null);
}

/** Two words that are one edit apart share a key: the word, or the word without one letter. */
function nearKeys(word: string): string[] {
  const short = word.slice(0, 64);
  return [short, ...Array.from({ length: short.length }, (_, at) => short.slice(0, at) + short.slice(at + 1))];
}

function grouped(records: readonly LintRecord[], keysOf: (record: LintRecord) => string[]): Map<string, LintRecord[]> {
  const groups = new Map<string, LintRecord[]>();
  for (const record of records) {
    for (const key of keysOf(record)) groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return groups;
}
