import { MAX_ADDRESS, type Pointer } from './pointer.ts';

/** Elements that fetch what they name when they are rendered. Any other that names an address offers it. */
const FETCHING: ReadonlySet<string> = new Set(
  'img image iframe frame embed object script link source video audio track input body table td th svg use base meta'.split(
    ' ',
  ),
);
const OFFERING: ReadonlySet<string> = new Set(['a', 'area', 'form', 'button', 'q', 'blockquote']);

export const TAG = /<([a-z][a-z0-9]{0,15})(?=[\s/])/gi;
/** Attributes that hold addresses. */
export const ATTRIBUTE =
  /[\s"'/](?:src|href|xlink:href|srcset|imagesrcset|data|background|action|formaction|poster|content|ping|cite|longdesc)\s{0,2048}=\s{0,2048}(?:"([^"]{1,2048})"|'([^']{1,2048})'|([^\s"'>]{1,2048}))/gi;
export const IN_STYLE = /(?:url\(|@import|image-set\()\s{0,2048}["']?([^"')\s]{1,2048})["']?\s{0,64}\)?/gi;

/** Elements of HTML that lead somewhere, and `url()` of CSS, as a lenient parser reads them. */
export function* htmlPointers(text: string): Generator<Pointer> {
  for (const found of text.matchAll(TAG)) {
    const name = (found[1] ?? '').toLowerCase();
    if (!FETCHING.has(name) && !OFFERING.has(name)) continue;
    const shows = FETCHING.has(name) ? 'image' : 'link';
    const end = endOfTag(text, found.index);
    if (end === null) {
      yield { start: found.index, end: found.index + found[0].length, shows, says: '', addresses: [] };
      continue;
    }
    const addresses = [...text.slice(found.index, end).matchAll(ATTRIBUTE)].flatMap(addressesOf);
    if (addresses.length > 0) yield { start: found.index, end, shows, says: '', addresses };
  }
  for (const found of text.matchAll(IN_STYLE)) {
    yield {
      start: found.index,
      end: found.index + found[0].length,
      shows: 'image',
      says: '',
      addresses: [found[1] ?? ''],
    };
  }
}

/** `srcset` lists several, each with a width. */
function addressesOf([whole, double, single, plain]: RegExpExecArray): string[] {
  const value = double ?? single ?? plain ?? '';
  if (/^.\s*(?:image)?srcset/i.test(whole)) return value.split(',').map((each) => each.trim().split(/\s/)[0] ?? '');
  // A refresh of the page: `content="0; url=https://…"`.
  return /^.\s*content/i.test(whole) ? [...value.matchAll(/url\s*=\s*(\S+)/gi)].map(([, url = '']) => url) : [value];
}

/**
 * Past the `>` that ends the tag, the first one outside quotation marks, or at the end of the text. Null: a quotation does not end, or the
 * tag does not within what is looked at; where it leads is not known then.
 */
function endOfTag(text: string, from: number): number | null {
  const limit = Math.min(text.length, from + MAX_ADDRESS);
  let quote = '';
  for (let at = from; at < limit; at += 1) {
    const character = text.charAt(at);
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === '>') return at + 1;
  }
  return limit === text.length && quote === '' ? limit : null;
}
