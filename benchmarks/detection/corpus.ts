import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sharedPath } from '../../tests/shared.ts';

/** A data file as `index.json` of a corpus describes it. */
export interface Source {
  dataset: string;
  path: string;
  task: string;
  format: string;
  /** Member that holds the text, and in brackets how it is encoded. */
  text?: string;
  rows: number | null;
  label: string | null;
}

export type Row = Readonly<Record<string, unknown>>;

/**
 * A directory of measurement data that says in `index.json` what it holds. Its texts are attacks, among other things: they are
 * only ever measured with.
 */
export class Corpus {
  readonly root: string;
  readonly sources: readonly Source[];

  constructor(root: string) {
    this.root = resolve(root);
    const index = JSON.parse(readFileSync(join(this.root, 'index.json'), 'utf8')) as unknown;
    if (!Array.isArray(index)) throw new Error(`${this.root}/index.json is not a list of data files`);
    this.sources = index as Source[];
  }

  of(task: string): Source[] {
    return this.sources.filter((source) => source.task === task);
  }

  /** What the file holds, as JSON; of JSON lines the list of its lines. */
  read({ path, format }: Source): unknown {
    const text = readFileSync(join(this.root, path), 'utf8');
    if (format !== 'jsonl') return JSON.parse(text);
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line));
  }

  rows(source: Source): Row[] {
    const held = this.read(source);
    if (!Array.isArray(held)) throw new Error(`${source.path} is no list of rows`);
    return held as Row[];
  }

  /** Of a file of lists by category. */
  categories(source: Source): Map<string, string[]> {
    return new Map(Object.entries(this.read(source) as Record<string, string[]>));
  }

  /** Texts of the rows, decoded where the index says how; several lines are one text. */
  texts(source: Source): string[] {
    return this.rows(source).map((row) => textOf(source, row));
  }
}

export function textOf({ path, text }: Source, row: Row): string {
  const field = text?.split(' ')[0];
  if (text === undefined || field === undefined) throw new Error(`the index names no text field of ${path}`);
  const held = row[field];
  const joined = Array.isArray(held) ? held.join('\n') : held;
  if (typeof joined !== 'string') throw new Error(`${path}: a row has no text in ${field}`);
  return text.includes('base64 of') ? Buffer.from(joined, 'base64').toString('utf8') : joined;
}

/** The corpus in `directory`; without one, that which lies beside the repository. Null: there is none. */
export function openCorpus(directory: string | undefined): Corpus | null {
  const root = directory ?? sharedPath('datasets');
  return root === null || !existsSync(join(root, 'index.json')) ? null : new Corpus(root);
}
