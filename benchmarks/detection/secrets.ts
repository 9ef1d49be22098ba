import { type Corpus, type Row, textOf } from './corpus.ts';
import { type Share, share } from './shares.ts';
import type { Subject } from './subject.ts';

export interface SecretRow {
  rule: string;
  /** Literals that are a credential, of which something was found, and those of which this very rule spoke. */
  recall: Share;
  named: Share;
  /** Literals that are none of this rule, at which this very rule fired, and those at which any did: which may be right. */
  false_positives: Share;
  any_rule_fired: Share;
}

export interface SecretsReport {
  rules: SecretRow[];
  all: SecretRow;
  /** Of the literals at which the rule was right or wrong. */
  precision: Share;
  /** As `precision`, with every literal counted at which any rule fired: a lower bound. */
  precision_any_rule: Share;
}

interface Seen {
  rule: string;
  isSecret: boolean;
  fired: boolean;
  named: boolean;
}

/** Credentials as literals of single rules: what is found of those that are some, and of those that only look so. */
export function measureSecrets(corpus: Corpus, subject: Subject): SecretsReport {
  const seen = corpus
    .of('secrets')
    .flatMap((source) => corpus.rows(source).map((row) => look(subject, textOf(source, row), row)));
  const rules = [...new Set(seen.map(({ rule }) => rule))].sort();
  const all = rowOf('all', seen);
  return {
    rules: rules.map((rule) =>
      rowOf(
        rule,
        seen.filter((each) => each.rule === rule),
      ),
    ),
    all,
    precision: precision(all.recall.count, all.false_positives.count),
    precision_any_rule: precision(all.recall.count, all.any_rule_fired.count),
  };
}

function look(subject: Subject, text: string, row: Row): Seen {
  const rule = String(row.rule);
  const secrets = subject(text).filter(({ kind }) => kind === 'secret');
  return {
    rule,
    isSecret: row.label === 'tp',
    fired: secrets.length > 0,
    named: secrets.some((finding) => finding.rule === rule),
  };
}

function rowOf(rule: string, seen: readonly Seen[]): SecretRow {
  const secrets = seen.filter(({ isSecret }) => isSecret);
  const others = seen.filter(({ isSecret }) => !isSecret);
  const count = (of: readonly Seen[], what: 'fired' | 'named'): Share =>
    share(of.filter((one) => one[what]).length, of.length);
  return {
    rule,
    recall: count(secrets, 'fired'),
    named: count(secrets, 'named'),
    false_positives: count(others, 'named'),
    any_rule_fired: count(others, 'fired'),
  };
}

const precision = (right: number, wrong: number): Share => share(right, right + wrong);
