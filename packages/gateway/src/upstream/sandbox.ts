import { access, realpath } from 'node:fs/promises';
import type { SandboxConfig } from '../config/types.ts';
import type { GuardRequest } from './guard.ts';
import { IdentityRefused } from './identity-refused.ts';
import { openTrusted } from './trusted-file.ts';

/** Where systems install it. Never looked for in PATH. */
const PLACES = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'];

/** What programs of a Linux system need to run, and nothing that is secret. */
const SYSTEM = [
  ...['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64'],
  ...['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/alternatives', '/etc/localtime'],
  ...['/etc/ssl/certs', '/etc/ssl/openssl.cnf', '/etc/ca-certificates', '/etc/nsswitch.conf', '/etc/mime.types'],
];
/** What finds other machines. */
const NETWORK = ['/etc/resolv.conf', '/etc/hosts', '/etc/services'];

/** How entries and claims name a sandbox. */
export function sandboxLabel(sandbox: SandboxConfig | null): string {
  return sandbox === null ? 'none' : `${sandbox.tool} network=${sandbox.network}`;
}

/**
 * The same start inside bubblewrap: namespaces of its own, no capabilities, and of the file system what `own` and the config name.
 * @throws IdentityRefused when bubblewrap is not installed, or in somebody else's hands
 */
export async function sandboxed(
  request: GuardRequest,
  sandbox: SandboxConfig,
  own: readonly string[],
): Promise<GuardRequest> {
  const tool = await findTool();
  const given = [...(await bound('--ro-bind', [...own, ...sandbox.read])), ...(await bound('--bind', sandbox.write))];
  const args = [...sandboxArguments(sandbox), ...given, '--', request.command, ...request.args];
  return { ...request, command: tool, args, argv0: tool };
}

/** What does not depend on the server. Exported for its test. */
export function sandboxArguments({ network }: SandboxConfig): string[] {
  const system = network === 'host' ? [...SYSTEM, ...NETWORK] : SYSTEM;
  return [
    ...['--unshare-all', ...(network === 'host' ? ['--share-net'] : [])],
    ...['--die-with-parent', '--cap-drop', 'ALL', '--hostname', 'sandbox'],
    ...system.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--setenv', 'TMPDIR', '/tmp', '--chdir', '/'],
  ];
}

/** Binds what the paths lead to now, at the paths as written. */
async function bound(how: '--bind' | '--ro-bind', paths: readonly string[]): Promise<string[]> {
  const binds = [...new Set(paths)].map(async (path) => {
    try {
      return [how, await realpath(path), path];
    } catch (error) {
      throw new IdentityRefused(`${path}, which the sandbox is to show, does not exist`, error);
    }
  });
  return (await Promise.all(binds)).flat();
}

async function findTool(): Promise<string> {
  for (const place of PLACES) {
    const real = await access(place).then(
      () => realpath(place),
      () => null,
    );
    if (real === null) continue;
    await (await openTrusted(real)).close();
    return real;
  }
  throw new IdentityRefused(
    'there is no bwrap (bubblewrap) to build the sandbox with; install it, or remove `sandbox`',
  );
}
