import type { Finding } from '../../finding.ts';
import { excerpt } from './plain-text.ts';
import type { LintRecord, LintText, Subject } from './subject.ts';

/** Looks at a whole catalog for one kind of poison. */
export type Rule = (subject: Subject) => Finding[];

/** What a rule found in one text of a record. The message goes on after the name of the record. */
export type TextFinding = Omit<Finding, 'where'>;

/** A rule that looks at each text alone. */
export function eachText(find: (text: LintText, record: LintRecord) => TextFinding[]): Rule {
  return ({ records }) =>
    records.flatMap((record) =>
      record.texts.flatMap((text) =>
        find(text, record).map((finding) => ({
          ...finding,
          where: text.where,
          message: `${nameOf(record)} ${finding.message}`,
        })),
      ),
    );
}

/** A record in a message. */
export function nameOf({ kind, name }: LintRecord): string {
  return `${kind} ${excerpt(name)}`;
}
