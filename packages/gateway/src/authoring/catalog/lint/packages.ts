import type { Finding } from '../../finding.ts';
import { isExact, isShellLine, type LaunchedPackage, launchedPackages } from './launch.ts';
import { likeKnown } from './likeness.ts';
import { excerpt } from './plain-text.ts';
import type { Rule, TextFinding } from './rule.ts';
import type { LintServer } from './subject.ts';
import { KNOWN_PACKAGES } from './well-known.ts';

/** Last parts of package names that are shared by many scopes, and therefore say nothing. */
const COMMON_PARTS = new Set(['mcp', 'mcp-server', 'inspector', 'server', 'sdk', 'cli']);

/** What a spawn command starts: look-alikes of known packages, and packages that are another one tomorrow (ATK-24). */
export const packages: Rule = ({ servers }) => servers.flatMap(inServer);

function inServer(server: LintServer): Finding[] {
  const { launch, id } = server;
  if (launch === null) return [];
  const found = launchedPackages(launch).flatMap((each) => [...lookalike(each), ...unpinned(each)]);
  const shell = isShellLine(launch) ? [SHELL_LINE] : [];
  return [...found, ...shell].map((finding) => ({
    ...finding,
    where: `${server.where}/spawn`,
    message: `server ${excerpt(id)} ${finding.message}`,
  }));
}

const SHELL_LINE: TextFinding = {
  rule: 'shell-command',
  severity: 'warning',
  message: 'is started by a shell from a line of text, so that its program is not the one that is named',
  fix: 'Name the program itself as "command", and its arguments as "args".',
};

function lookalike({ name, from }: LaunchedPackage): TextFinding[] {
  if (from === 'elsewhere' || KNOWN_PACKAGES.includes(name)) return [];
  const near = likeKnown(name, KNOWN_PACKAGES) ?? swappedScope(name);
  if (near === null) return [];
  const sure = near.likeness === 'looks alike' || near.likeness === 'one letter off';
  return [
    {
      rule: 'package-lookalike',
      severity: sure ? 'error' : 'warning',
      message: `starts the package ${excerpt(name)}, which could be taken for "${near.known}" (${near.likeness})`,
      fix: `Write "${near.known}" if that is meant; else make sure who publishes ${excerpt(name)}.`,
    },
  ];
}

/** `server-filesystem` or `@other/server-filesystem` for the one of a known scope. */
function swappedScope(name: string): { known: string; likeness: 'another scope' } | null {
  const own = name.split('/').at(-1) ?? name;
  if (COMMON_PARTS.has(own)) return null;
  const known = KNOWN_PACKAGES.find((other) => other.startsWith('@') && other.endsWith(`/${own}`));
  return known === undefined ? null : { known, likeness: 'another scope' };
}

function unpinned({ name, version, from }: LaunchedPackage): TextFinding[] {
  if (from === 'installed') return [];
  if (from === 'elsewhere') {
    return [
      {
        rule: 'package-address',
        severity: 'warning',
        message: `starts what an address holds at the time: ${excerpt(name)}`,
        fix: 'Install it, review it, and start the installed program.',
      },
    ];
  }
  if (isExact(version)) return [];
  return [
    {
      rule: 'package-unpinned',
      severity: 'warning',
      message: `starts whatever ${version === null ? 'the newest version' : `version ${excerpt(version)}`} of ${excerpt(name)} is at the time`,
      fix: 'Name one exact version; better, install it and start the installed program.',
    },
  ];
}
