import { basename } from 'node:path';

/** A package that a server is started from. */
export interface LaunchedPackage {
  name: string;
  /** As written; null: whatever is newest when it is started. */
  version: string | null;
  /** `installed`: it lies on disk already. `fetched`: the runner gets it. `elsewhere`: from no registry, but an address. */
  from: 'installed' | 'fetched' | 'elsewhere';
}

/** Runners that fetch what they run: the words before the package, and the options whose value it is. */
const RUNNERS: readonly { words: readonly string[]; packageOptions: readonly string[] }[] = [
  { words: ['npx'], packageOptions: ['-p', '--package'] },
  { words: ['npm', 'exec'], packageOptions: ['-p', '--package'] },
  { words: ['npm', 'x'], packageOptions: ['-p', '--package'] },
  { words: ['pnpm', 'dlx'], packageOptions: ['--package'] },
  { words: ['pnpx'], packageOptions: ['--package'] },
  { words: ['yarn', 'dlx'], packageOptions: ['-p', '--package'] },
  { words: ['bunx'], packageOptions: ['-p', '--package'] },
  { words: ['bun', 'x'], packageOptions: ['-p', '--package'] },
  { words: ['deno', 'run'], packageOptions: [] },
  { words: ['uvx'], packageOptions: ['--from'] },
  { words: ['uv', 'tool', 'run'], packageOptions: ['--from'] },
  { words: ['pipx', 'run'], packageOptions: ['--spec'] },
];
/** Options of the runners above that take a value which is no package. */
const VALUED = new Set([
  '--registry',
  '--cache',
  '--python',
  '--index-url',
  '--with',
  '--loglevel',
  '-w',
  '--workspace',
]);
const INSTALLED = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/@.][^/]*)(?=\/|$)/g;
const SHELLS = new Set(['sh', 'bash', 'zsh', 'dash', 'ash', 'ksh', 'fish', 'cmd', 'powershell', 'pwsh']);

/** Whether the server is started by a shell from a line of text. */
export function isShellLine(launch: readonly string[]): boolean {
  const [command = '', ...args] = withoutEnv(launch);
  return (
    SHELLS.has(programName(command)) && args.some((arg) => /^(?:-[a-z]*c|\/c|-command|-encodedcommand)$/i.test(arg))
  );
}

/** The packages that a command line starts from. */
export function launchedPackages(launch: readonly string[]): LaunchedPackage[] {
  const line = asRunner(withoutEnv(launch));
  for (const { words, packageOptions } of RUNNERS) {
    if (words.every((word, index) => word === line[index])) return fetched(line.slice(words.length), packageOptions);
  }
  const installed = line.flatMap((word) => [...word.matchAll(INSTALLED)].slice(-1));
  return installed.slice(0, 1).map(([, name = '']) => ({ name, version: null, from: 'installed' }));
}

function fetched(args: readonly string[], packageOptions: readonly string[]): LaunchedPackage[] {
  const specs: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    const [option = '', value] = arg.split(/=(.*)/s);
    if (packageOptions.includes(option)) specs.push(value ?? args[++index] ?? '');
    else if (VALUED.has(arg)) index += 1;
    else if (arg === '--' || arg.startsWith('-')) continue;
    else return (specs.length === 0 ? [arg] : specs).map(readSpec);
  }
  return specs.map(readSpec);
}

/** `@scope/name@1.2.3`, `npm:name@1`, `name==1.2`, `name[extra]@1.2`, or an address. */
function readSpec(spec: string): LaunchedPackage {
  const bare = spec.replace(/^(?:npm|jsr):/, '');
  if (/^(?:git|https?|file|github|gitlab|bitbucket|ssh|\.{0,2}\/)|^[\w-]+\/[\w.-]+(?:#|$)/.test(bare)) {
    return { name: bare, version: null, from: 'elsewhere' };
  }
  const [, name = bare, version] = /^(@?[^@=<>~![\s]+)(?:\[[^\]]*\])?(?:@|[=<>~!]=?)?(.*)$/s.exec(bare) ?? [];
  return {
    name: name.toLowerCase(),
    version: version === undefined || version === '' ? null : version,
    from: 'fetched',
  };
}

/** Whether a version is one version, and not whatever fits. */
export function isExact(version: string | null): boolean {
  return version !== null && /^=?\d+\.\d+(?:\.\d+)?(?:[-+.][\w.+-]+)?$/.test(version);
}

/** The words with the program's own name first; `node …/npx-cli.js` is npx. */
function asRunner([command = '', ...args]: readonly string[]): string[] {
  const script = args.findIndex((arg) => !arg.startsWith('-'));
  const runner = /(?:^|\/)(npx|npm|pnpm|yarn|bunx)(?:-cli)?\.c?js$/.exec(args[script] ?? '')?.[1];
  if (runner !== undefined) return [runner, ...args.slice(script + 1)];
  return [command.includes('/node_modules/') ? command : programName(command), ...args];
}

function withoutEnv(launch: readonly string[]): readonly string[] {
  if (programName(launch[0] ?? '') !== 'env') return launch;
  const start = launch.findIndex((word, index) => index > 0 && !word.startsWith('-') && !/^\w+=/.test(word));
  return start < 0 ? [] : launch.slice(start);
}

function programName(command: string): string {
  return basename(command.replaceAll('\\', '/'))
    .replace(/\.(?:exe|cmd|bat|ps1)$/i, '')
    .toLowerCase();
}
