import type { Finding } from '../../finding.ts';
import { excerpt, plainText, spokenName } from './plain-text.ts';
import { nameOf, type Rule } from './rule.ts';
import type { LintRecord, LintText } from './subject.ts';

interface Signal {
  rule: string;
  /** `sure`: no honest definition says this. `strong`: an error beside another one in the same record. */
  weight: 'sure' | 'strong' | 'weak';
  pattern: RegExp;
  what: string;
}

const USER = '(?:the |your |any )?(?:user|human|person|operator|customer|owner)s?';
const SECRET_FILES = [
  String.raw`~/\.ssh`,
  String.raw`\bid[_ ](?:rsa|ed25519|ecdsa)\b`,
  String.raw`\.aws/credentials`,
  String.raw`/etc/(?:passwd|shadow)\b`,
  String.raw`\.(?:npmrc|netrc|git-credentials|pgpass|kube/config|docker/config\.json)\b`,
  String.raw`\.(?:cursor|vscode|claude|codeium|gemini)/[\w./-]*\.json`,
  String.raw`\b(?:mcp|claude_desktop_config)\.json\b`,
  String.raw`\bssh (?:private )?keys?\b`,
  String.raw`(?<![\w.])\.env\b(?! variable)`,
].join('|');

/** Looked for in texts as a reader takes them, in lower case, with white space as single spaces (ATK-01, ATK-02, ATK-04). */
const SIGNALS: readonly Signal[] = [
  {
    rule: 'chat-markup',
    weight: 'sure',
    pattern:
      /<\|(?:system|user|assistant|im_start|im_end|endoftext|begin_of_text|eot_id)[^|]{0,20}\|>|\[\/?inst\]|<<\/?sys>>|<\/?(?:start|end)_of_turn>/,
    what: 'markup with which a model is told who speaks',
  },
  {
    rule: 'instruction-override',
    weight: 'strong',
    pattern:
      /\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}\b(?:all|any|previous|prior|above|earlier|other|existing|system|safety|security|your)\b.{0,30}\b(?:instructions?|rules?|prompts?|checks?|guidelines?|guardrails|polic(?:y|ies)|restrictions?|directives?)\b|\byou are now\b|\bnew (?:system )?instructions?:/,
    what: 'an order to set other instructions aside',
  },
  {
    rule: 'concealment',
    weight: 'strong',
    pattern: new RegExp(
      [
        String.raw`\b(?:do not|don't|never|must not|should not|without|avoid)\b(?: ever)? (?:tell|mention|inform|reveal|notify|show|disclos|alert|warn|explain|ask|report|let|say)\w*\b.{0,40}\b${USER}\b(?! (?:for|to|how|which|what|where))`,
        String.raw`\b(?:hide|conceal|keep)\b.{0,40}\b(?:secret|hidden|private)?\b ?from ${USER}\b`,
        String.raw`\b(?:do not|don't|never) (?:mention|reveal|disclose) (?:this|these|that|it|any of)\b`,
        String.raw`\b${USER} (?:must|should|need) (?:not|never) (?:know|see|notice|be told)\b`,
      ].join('|'),
    ),
    what: 'an order to keep something from the user',
  },
  {
    rule: 'exfiltration',
    weight: 'strong',
    pattern:
      /\bexfiltrat|\b(?:send|post|upload|forward|transmit|leak|submit|e-?mail|report)\b[^.!?]{0,80}\b(?:to|via|at)\b[^.!?]{0,20}(?:https?:\/\/|[\w.+-]+@[\w-]+\.\w)|\b(?:pass|include|put|add|append|provide|place|copy|insert|attach)\b.{0,40}\b(?:contents?|history|secrets?|keys?|credentials?|tokens?|passwords?|conversation|system prompt)\b.{0,40}\b(?:as|in|into|to|within|through)\b.{0,20}\b(?:param\w*|arg\w*|field|sidenote|side_note|notes?|metadata|context|feedback)\b|\b(?:curl|wget|fetch|nc)\b[^.]{0,30}https?:\/\//,
    what: 'an order to hand data on',
  },
  {
    rule: 'secret-file',
    weight: 'strong',
    pattern: new RegExp(SECRET_FILES),
    what: 'a file in which secrets are kept',
  },
  {
    rule: 'secret-request',
    weight: 'strong',
    pattern:
      /\b(?:read|include|send|pass|provide|collect|copy|reveal|print|output|find|extract|gather|access|get)\b.{0,40}\b(?:(?:api|private|secret|access|ssh|encryption) ?keys?|passwords?|credentials|(?:access|auth|bearer|session) tokens?|system prompt|(?:conversation|chat) history|(?:previous|prior) messages)\b/,
    what: 'a request for secrets or for the conversation',
  },
  {
    rule: 'instruction-tag',
    weight: 'strong',
    pattern:
      /<\/?(?:important|system|instructions?|secret|hidden|admin|critical|override|assistant|attention)(?:[\s:][^>]{0,40})?>|#{2,} ?(?:system|instructions?|system prompt)\b ?:|\[(?:system|admin|important|hidden)\]|\b(?:system|assistant): /,
    what: 'markup that sets instructions off from the description',
  },
  {
    rule: 'hidden-comment',
    weight: 'weak',
    pattern: /<!--|\[\/\/\]: ?#/,
    what: 'a comment that a rendered page does not show',
  },
  {
    rule: 'tool-ordering',
    weight: 'weak',
    pattern:
      /\b(?:before|whenever|every time|each time|prior to|after) (?:you )?(?:us(?:e|ing)|call(?:ing)?|invok(?:e|ing)|run(?:ning)?|execut(?:e|ing)) (?:(?:any|all|every|each)(?: of)?|other) (?:the |other |of the )*(?:tools?|functions?|commands?|servers?)\b|\b(?:always|must|first) (?:use|call|invoke|run|execute) this (?:tool|function)\b.{0,20}\b(?:first|before|instead|any|every)\b|\bthis tool (?:must|has to|should always) be (?:called|used|run|invoked)\b|\b(?:instead of|rather than|do not use|don't use|never use|stop using) (?:any other|all other|other|the other) (?:tools?|servers?)\b|\bthe (?:other|original) (?:tool|server) (?:is|has been) (?:deprecated|broken|disabled|unsafe)\b/,
    what: 'an order about when other tools are used',
  },
  {
    rule: 'side-channel',
    weight: 'weak',
    pattern:
      /\b(?:sidenote|side note|side channel)\b|\botherwise (?:the|this) tool (?:will not|won't|does not|doesn't|cannot) work\b/,
    what: 'a way to carry more than the tool needs',
  },
];

/** What a definition tells the model to do, where it should only say what the tool does. */
export const instructions: Rule = ({ records }) => records.flatMap(inRecord);

interface Hit {
  signal: Signal;
  text: LintText;
  excerpt: string;
}

/** A text that is split over several members is one text to a model: their signals count together. */
function inRecord(record: LintRecord): Finding[] {
  const hits = record.texts.flatMap(hitsIn);
  const strong = new Set(hits.filter(({ signal }) => signal.weight !== 'weak').map(({ signal }) => signal.rule));
  const sure = hits.some(({ signal }) => signal.weight === 'sure');
  return hits.map(({ signal, text, excerpt: found }) => ({
    rule: signal.rule,
    severity: signal.weight !== 'weak' && (sure || strong.size > 1) ? 'error' : 'warning',
    where: text.where,
    message: `${nameOf(record)} holds ${signal.what}: ${found}`,
    fix: 'Read the whole text as a model would. Do not approve it unless it says only what the server does.',
  }));
}

function hitsIn(text: LintText): Hit[] {
  const plain = plainText(text.text).toLowerCase().replaceAll(/\s+/g, ' ');
  // A name is words too: `content_of_id_rsa`.
  const readings = text.role === 'value' ? [plain] : [plain, plainText(spokenName(text.text)).toLowerCase()];
  return SIGNALS.flatMap((signal) => {
    const found = readings.map((reading) => signal.pattern.exec(reading)).find((match) => match !== null);
    return found === undefined ? [] : [{ signal, text, excerpt: excerpt(found[0]) }];
  });
}
