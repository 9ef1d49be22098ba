import {
  duration,
  integer,
  list,
  named,
  nullable,
  oneOf,
  type Reader,
  required,
  section,
  setting,
  text,
} from '../../config/readers.ts';
import { FINDING_KINDS, OUTCOMES, SCHEMA_MODES } from '../types.ts';

/** Kinds that a rule of an operator's may have: what hides an instruction, and where a link leads, is for the gateway to tell. */
const RULE_KINDS = ['personal', 'payment', 'health', 'secret', 'injection'] as const;

const MAX_BYTES = 1_073_741_824;
const MAX_TEXT = 4096;
const MAX_WITHIN = 512;
const MAX_WORD = 64;

const written = text('text of 1 to 4096 characters', (given) =>
  given.length > 0 && given.length <= MAX_TEXT ? given : undefined,
);
const label = text('a sensitivity label, such as confidential', (given) =>
  /^[a-z][a-z0-9_-]{0,63}$/.test(given) ? given : undefined,
);
const ruleId = text('lower-case words joined by -, such as project-code', (given) =>
  given.length <= 64 && /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(given) ? given : undefined,
);
const word = text(`a word of at most ${MAX_WORD} characters`, (given) =>
  given.length > 0 && given.length <= MAX_WORD && given.trim() === given ? given : undefined,
);
const host = text('a host, such as docs.example, or *.docs.example for every name below it', (given) =>
  /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){0,10}[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(given)
    ? given.toLowerCase()
    : undefined,
);
const version = text('printable ASCII of 1 to 64 characters, such as "2026-11-a"', (given) =>
  /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/.test(given) ? given : undefined,
);
const name = /^.{1,2048}$/s;

/** One setting for each kind of finding; null where nothing is written. */
function perKind<T>(what: string, reader: Reader<T>, meaning: string) {
  const each = setting(nullable(reader), 'null', meaning);
  const { personal, payment, health, secret, injection, concealed, link } = Object.fromEntries(
    FINDING_KINDS.map((kind) => [kind, each]),
  ) as Record<(typeof FINDING_KINDS)[number], typeof each>;
  return section(what, { personal, payment, health, secret, injection, concealed, link });
}

const settings = section('inspection settings', {
  schema: setting(nullable(oneOf(...SCHEMA_MODES)), 'null', 'What becomes of members that no one approved.'),
  stream: setting(nullable(oneOf('windowed', 'buffered')), 'null', 'How what comes before an answer is held back.'),
  max_size: setting(nullable(integer(1, MAX_BYTES)), 'null', 'Bytes above which an answer is withheld.'),
  budget: setting(nullable(duration('10ms', '60s')), 'null', 'Time that all stages together may take.'),
  link_hosts: setting(nullable(list(host)), 'null', 'Hosts that images and links may lead to.'),
  outcomes: setting(
    perKind('a mapping from kinds to outcomes', oneOf(...OUTCOMES), 'What becomes of a finding.'),
    '{}',
    'What becomes of a finding, by its kind.',
  ),
});

const rule = section('a rule', {
  id: required(ruleId, 'What entries call it.'),
  kind: required(oneOf(...RULE_KINDS), 'What it finds.'),
  pattern: required(written, 'RE2 syntax.'),
  ignore_case: setting(oneOf('true', 'false'), 'false', 'Whether upper and lower case are the same.'),
  context: setting(
    nullable(
      section('words that must stand nearby', {
        words: required(list(word), 'One of them must stand there, in whatever case.'),
        within: setting(integer(1, MAX_WITHIN), '64', 'So many UTF-16 units before or after the match.'),
      }),
    ),
    'null',
    'Words without which a match does not count.',
  ),
  label: setting(nullable(label), 'null', 'The sensitivity label that a finding gives; null: that of its kind.'),
  tests: required(
    section('the tests of a rule', {
      match: required(list(written), 'Texts in which it finds something.'),
      pass: required(list(written), 'Texts in which it finds nothing.'),
    }),
    'Texts that it is tried with whenever it is loaded.',
  ),
});

/** The operator's file (docs/inspection.md). */
export const RULES_FILE = section('inspection rules', {
  inspection: required(oneOf('1'), 'Version of this format.'),
  version: required(version, 'What you call this state of the file.'),
  defaults: setting(settings, '{}', 'Settings of everything that `tools` says nothing of.'),
  tools: setting(
    named('a name in the catalog', name, settings, ''),
    '{}',
    'Settings by the catalog name of a tool, resource or prompt.',
  ),
  rules: setting(list(rule), '[]', 'Your own rules.'),
  off: setting(list(ruleId), '[]', 'Built-in rules that are not used.'),
  labels: setting(perKind('a mapping from kinds to labels', label, 'A sensitivity label.'), '{}', 'Label by kind.'),
});

/** What the operator's file holds. */
export type RulesFile = typeof RULES_FILE extends Reader<infer T> ? T : never;
export type WrittenRule = RulesFile['rules'][number];
