import { excerpt } from './plain-text.ts';
import { eachText, type Rule, type TextFinding } from './rule.ts';
import type { LintText } from './subject.ts';

/** Longer than anything a reviewer reads to the end. */
const LONG_TEXT = 8_000;
const LONG_KEY = 100;

/** A run of base64 or hex that is no word, no path and no digest that a schema mentions. */
const BLOB =
  /(?:[A-Za-z0-9+/_-]{100,}={0,2}|(?:[0-9a-f]{2}){48,}|(?:[0-9A-F]{2}){48,}|(?:\\x[0-9a-f]{2}){8,}|(?:\\u[0-9a-f]{4}){8,})/;
const PUSHED_ASIDE = /(?:[ \t\u00A0\u3000]{80,}|(?:\r?\n[ \t]*){15,})\S/;
const DATA_URI = /\bdata:[\w.+/-]*(?:;[\w=.-]+)*,/i;

/** What a reviewer cannot read, or would not see: encoded texts, texts out of view, texts without end. */
export const payloads: Rule = eachText((text) => [
  ...longText(text),
  ...blob(text),
  ...pushedAside(text),
  ...dataUri(text),
]);

function longText({ text, role }: LintText): TextFinding[] {
  const most = role === 'value' ? LONG_TEXT : LONG_KEY;
  if (text.length <= most) return [];
  return [
    {
      rule: 'long-text',
      severity: 'warning',
      message: `is ${text.length} characters long, beginning ${excerpt(text, 40)}`,
      fix: 'Read it to the end before you approve it: what nobody reads is where instructions hide.',
    },
  ];
}

function blob({ text, member }: LintText): TextFinding[] {
  const found = BLOB.exec(withoutDataUris(text, member));
  if (found === null) return [];
  return [
    {
      rule: 'encoded-text',
      severity: 'warning',
      message: `holds what looks like an encoded text: ${excerpt(found[0], 40)}`,
      fix: 'Decode and read it. A description has no need of it.',
    },
  ];
}

function pushedAside({ text }: LintText): TextFinding[] {
  if (!PUSHED_ASIDE.test(text)) return [];
  return [
    {
      rule: 'text-out-of-view',
      severity: 'warning',
      message: 'goes on after white space that pushes the rest out of view',
      fix: 'Read what comes after the white space.',
    },
  ];
}

/** Icons may be inline: catalog/definition-rules.ts. */
function dataUri({ text, member }: LintText): TextFinding[] {
  if (member === 'src' || !DATA_URI.test(text)) return [];
  return [
    {
      rule: 'data-uri',
      severity: 'warning',
      message: `holds a data: URI: ${excerpt(text.slice(text.search(DATA_URI)), 40)}`,
      fix: 'Decode and read what it holds. Only icons are inline.',
    },
  ];
}

function withoutDataUris(text: string, member: string): string {
  return member === 'src' && DATA_URI.test(text) ? '' : text;
}
