import { excerpt } from './plain-text.ts';
import { eachText, type Rule } from './rule.ts';

/** Markdown: what is rendered is fetched (an image) or offered for a click (a link), from a host that the text chooses. */
const MARKDOWN = /(!?)\[[^\]]{0,200}\]\(\s*<?((?:https?:)?\/\/[^\s)>]+)/gi;
const HTML = /<(img|a|iframe|script|link)\b[^>]{0,200}\b(?:src|href)\s*=\s*["']?((?:https?:)?\/\/[^\s"'>]+)/gi;

export const links: Rule = eachText(({ text }, { server }) => {
  const found = [...text.matchAll(MARKDOWN), ...text.matchAll(HTML)].filter(([, , url = '']) => {
    const host = URL.parse(url, 'https://localhost')?.hostname;
    return host !== undefined && !belongsTo(host, server.host);
  });
  return found.map(([whole, mark]) => {
    const fetched = mark === '!' || (mark !== '' && mark?.toLowerCase() !== 'a');
    return {
      rule: fetched ? 'foreign-image' : 'foreign-link',
      severity: fetched ? ('warning' as const) : ('info' as const),
      message: `holds ${fetched ? 'what a client fetches when it renders the text' : 'a link'}, from a host that is not the server's: ${excerpt(whole, 100)}`,
      fix: 'Approve it only if the host is one that users of this tool may be sent to.',
    };
  });
});

/** The host itself, or one below it. */
function belongsTo(host: string, own: string | null): boolean {
  return own !== null && (host === own || host.endsWith(`.${own}`));
}
