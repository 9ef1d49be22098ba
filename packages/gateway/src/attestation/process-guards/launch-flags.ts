/**
 * Flags of Node.js that neither load code, nor open the process to others, nor weaken TLS (Node.js 24, "Command-line API"). A list
 * of what is harmless: a flag that a later version adds is refused until somebody has looked at it.
 */
const HARMLESS = new Set([
  '--disable-sigusr1',
  '--disable-warning',
  '--enable-fips',
  '--enable-source-maps',
  '--force-fips',
  '--frozen-intrinsics',
  '--jitless',
  '--max-heap-size',
  '--max-old-space-size',
  '--max-old-space-size-percentage',
  '--max-semi-space-size',
  '--no-addons',
  '--no-deprecation',
  '--no-experimental-strip-types',
  '--no-strip-types',
  '--no-warnings',
  '--stack-trace-limit',
  '--throw-deprecation',
  '--tls-min-v1.2',
  '--tls-min-v1.3',
  '--trace-deprecation',
  '--trace-uncaught',
  '--trace-warnings',
  '--use-bundled-ca',
  '--use-system-ca',
]);

/**
 * The flags of `execArgv` that can change what code runs, or let others look into the process, in their order. Values must stand
 * behind an equals sign: a word by itself is refused, because it may be what an unknown flag loads.
 */
export function unsafeFlags(execArgv: readonly string[]): string[] {
  return execArgv.filter((flag) => !HARMLESS.has(nameOf(flag)));
}

/** Node.js takes underscores for dashes within a flag's name. */
function nameOf(flag: string): string {
  const [name = ''] = flag.split('=', 1);
  return name.startsWith('--') ? `--${name.slice(2).replaceAll('_', '-')}` : name;
}
