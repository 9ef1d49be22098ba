import { scanValues } from '../detectors/scan-values.ts';
import { normalised } from '../normal/normalised.ts';
import type { TextFinding } from '../types.ts';
import { htmlPointers } from './html.ts';
import { markdownPointers } from './markdown.ts';
import { MAX_ADDRESS, type Pointer } from './pointer.ts';
import { isOnList, type Target, targetOf } from './target.ts';

/** Raised whenever what is found, or what stands in its place, changes. */
export const LINKS_VERSION = '1.1.0';

/** What is found, for lists of the built-in rules. */
export const LINK_RULES = [
  { id: 'foreign-image', kind: 'link', label: null, what: 'an image, or what else is fetched when a text is shown' },
  {
    id: 'foreign-link',
    kind: 'link',
    label: null,
    what: 'a link to a host that is not listed, or that carries a value',
  },
  { id: 'active-link', kind: 'link', label: null, what: 'a link that runs something' },
] as const;

/** What a text that leads anywhere has in it. */
const ANY = /:\/|\]\(|\]:|!\[|<[a-z]|url\(|:\\|www\./i;
export const BARE = /(?:\b(?:https?|ftp):[\\/]{1,2}|\bwww\.)[^\s<>"'`\]]{1,2048}/gi;
/** What a reader, or a model, is to fill in: `{secret}`, `<data>`, `[TOKEN]`, `$DATA`, `%s`, `YOUR_KEY`. */
export const TO_FILL =
  /\{[^{}]{0,64}\}|%7b|<[^<>]{1,64}>|\[[a-z _-]{1,64}\]|\$[a-z_]{2,64}|%s\b|[=/](?:your|insert|the|user|my)[_-][a-z_-]{1,64}|[=/#](?:data|secret|token|password|apikey|api_key|conversation|context|history|summary|content|contents|payload|leak|exfil)(?:$|[&#/])|[?&#;][\w-]{1,64}=(?:$|[&#])/i;

/**
 * Images and links to hosts that are not on the list (ATK-10). An image is fetched when it is shown, so it is found wherever it leads; a
 * link is found where there is a list, where it carries a value or has a place for one, and where it runs something.
 */
export function scanLinks(text: string, hosts: readonly string[]): TextFinding[] {
  if (!ANY.test(text)) return [];
  const found: TextFinding[] = [];
  const written = [...markdownPointers(text), ...htmlPointers(text)];
  for (const pointer of [...written, ...barePointers(text, written)]) {
    const finding = judged(pointer, hosts);
    if (finding !== null) found.push(finding);
  }
  return found;
}

/** Addresses that many clients make links of, outside of what was written as one. */
function* barePointers(text: string, written: readonly Pointer[]): Generator<Pointer> {
  const covered = [...written].sort((a, b) => a.start - b.start);
  let next = 0;
  let end = 0;
  for (const { index, 0: address } of text.matchAll(BARE)) {
    for (; (covered[next]?.start ?? Number.POSITIVE_INFINITY) <= index; next += 1)
      end = Math.max(end, covered[next]?.end ?? 0);
    if (index < end) continue;
    const whole = address.replace(/[),.;:!?*_~]+$/, '');
    yield { start: index, end: index + whole.length, shows: 'link', says: '', addresses: [whole] };
  }
}

function judged({ shows, addresses, says, start, end }: Pointer, hosts: readonly string[]): TextFinding | null {
  const targets = addresses.map(targetOf);
  const bad = addresses.length === 0 ? UNKNOWN : targets.find((target) => isRefused(target, shows, hosts));
  if (bad === undefined) return null;
  const rule = shows === 'image' ? 'foreign-image' : bad.kind === 'active' ? 'active-link' : 'foreign-link';
  return { kind: 'link', rule, start, end, via: [], label: null, instead: instead(shows, says, bad) };
}

const UNKNOWN: Target = { kind: 'host', host: '', address: '' };

function isRefused(target: Target, shows: Pointer['shows'], hosts: readonly string[]): boolean {
  // What is in the text already is fetched from nobody.
  if (target.kind === 'active') return shows === 'link';
  if (target.kind === 'here' || isOnList(target.host, hosts)) return false;
  return shows === 'image' || hosts.length > 0 || carries(target.address);
}

/** Whether a link takes a value along, or has a place for one. */
function carries(address: string): boolean {
  const given = address.slice(0, MAX_ADDRESS).replace(/^[a-z]+:[\\/]*[^\\/?#]*/i, '');
  if (given.length < 3) return false;
  return TO_FILL.test(given) || scanValues(normalised(given).text).length > 0;
}

/** Plain words that no client makes anything of, in round brackets: square ones would be half of a link to whatever stands behind them. */
function instead(shows: Pointer['shows'], says: string, target: Target): string {
  const label = plain(says);
  const host = target.kind === 'host' ? plain(target.host).replaceAll('.', '[.]') : '';
  const what = `${shows} removed${host === '' ? '' : `: ${host}`}`;
  return label === '' ? `(${what})` : `${label} (${what})`;
}

const MAX_SAID = 80;

function plain(text: string): string {
  const words = normalised(text)
    .text.replace(BARE, '')
    .replace(/[^\p{L}\p{N} .,-]+/gu, ' ')
    .trim();
  return words.slice(0, MAX_SAID).toWellFormed();
}
