import { htmlPointers } from '../../../inspection/links/html.ts';
import { markdownPointers } from '../../../inspection/links/markdown.ts';
import { targetOf } from '../../../inspection/links/target.ts';
import { excerpt } from './plain-text.ts';
import { eachText, type Rule } from './rule.ts';

/** What is rendered is fetched (an image) or offered for a click (a link), from a host that the text chooses. */
export const links: Rule = eachText(({ text }, { server }) => {
  const found = [...markdownPointers(text), ...htmlPointers(text)].filter(({ addresses }) =>
    addresses.map(targetOf).some((target) => target.kind === 'host' && !belongsTo(target.host, server.host)),
  );
  return found.map(({ shows, start, end }) => {
    const fetched = shows === 'image';
    return {
      rule: fetched ? 'foreign-image' : 'foreign-link',
      severity: fetched ? ('warning' as const) : ('info' as const),
      message: `holds ${fetched ? 'what a client fetches when it renders the text' : 'a link'}, from a host that is not the server's: ${excerpt(text.slice(start, end), 100)}`,
      fix: 'Approve it only if the host is one that users of this tool may be sent to.',
    };
  });
});

/** The host itself, or one below it. */
function belongsTo(host: string, own: string | null): boolean {
  return own !== null && (host === own || host.endsWith(`.${own}`));
}
