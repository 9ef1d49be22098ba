import { domainToUnicode } from 'node:url';
import type { Finding } from '../../finding.ts';
import { likeKnown } from './likeness.ts';
import { excerpt, plainText } from './plain-text.ts';
import type { Rule } from './rule.ts';
import type { LintServer } from './subject.ts';
import { KNOWN_HOSTS, KNOWN_SERVERS } from './well-known.ts';

/** Servers that could be taken for well-known ones, by name or by host (ATK-04). */
export const serverNames: Rule = ({ servers }) =>
  servers.flatMap((server) => [...nameLike(server), ...hostLike(server)]);

function nameLike({ id, displayName, where }: LintServer): Finding[] {
  const names = new Set([id, displayName].map((name) => name.toLowerCase().replace(/[-_ ]?\d*$/, '')));
  return [...names].flatMap((name): Finding[] => {
    const like = likeKnown(name, KNOWN_SERVERS);
    // Spelt with other separators it is the same name, and says so.
    if (like === null || plainText(name).replaceAll(/[^a-z0-9]/g, '') === like.known.replaceAll('-', '')) return [];
    return [
      {
        rule: 'server-lookalike',
        severity: 'warning',
        where,
        message: `the server name ${excerpt(name)} could be taken for "${like.known}" (${like.likeness})`,
        fix: 'Make sure whose server this is, and give it an "id" and a "display_name" of its own.',
      },
    ];
  });
}

function hostLike({ host, where }: LintServer): Finding[] {
  if (host === null) return [];
  const shown = domainToUnicode(host);
  const like = KNOWN_HOSTS.find((known) => imitates(host, known)) ?? likeKnown(shown, KNOWN_HOSTS)?.known;
  if (like === undefined && shown === host) return [];
  return [
    {
      rule: like === undefined ? 'foreign-letters-host' : 'host-lookalike',
      severity: 'warning',
      where: `${where}/url`,
      message: `the host ${excerpt(shown)} ${like === undefined ? 'is not spelt in plain letters' : `could be taken for "${like}"`}`,
      fix: 'Make sure whose host this is; pin its certificate.',
    },
  ];
}

/** `mcp.stripe.com.example.net` and `mcp-stripe-com.example.net`, which are not hosts of stripe.com. */
function imitates(host: string, known: string): boolean {
  if (host === known || host.endsWith(`.${known}`)) return false;
  return `.${host}`.includes(`.${known}.`) || host.includes(known.replaceAll('.', '-'));
}
