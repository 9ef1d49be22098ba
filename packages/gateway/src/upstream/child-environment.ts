/** All that a server sees of the gateway's own environment (ATK-25). */
const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR', 'TZ', 'USER', 'LOGNAME', 'SHELL', 'TERM'] as const;

/** Variables by which a loader or interpreter runs other code than the file that was measured (ATK-24). */
const LOADS_CODE = new RegExp(
  `^(?:${[
    // Loaders and libraries of the system.
    'LD_|DYLD_|GCONV_PATH$|GLIBC_TUNABLES$|OPENSSL_(?:CONF|ENGINES|MODULES)$',
    'NODE_(?:OPTIONS|PATH|REPL_EXTERNAL_MODULE)$|NPM_CONFIG_|BUN_|DENO_',
    'PYTHON(?!UNBUFFERED$|UTF8$|IOENCODING$|HASHSEED$|DONTWRITEBYTECODE$)',
    'PERL(?:LIB|5OPT|5LIB|5DB)$|RUBY(?:OPT|LIB)$|GEM_(?:HOME|PATH)$|BUNDLE_GEMFILE$',
    '(?:JAVA_TOOL|JDK_JAVA|_JAVA)_OPTIONS$|CLASSPATH$|DOTNET_STARTUP_HOOKS$|COR(?:ECLR)?_PROFILER',
    'PHPRC$|PHP_INI_SCAN_DIR$|LUA_(?:INIT|C?PATH)|BASH_ENV$|ENV$',
  ].join('|')})`,
  'i',
);

const OWN = /^CMCP_/i;

/** Environment of a child: the allow-list out of `base`, then `configured`, and never a variable of the gateway's own. */
export function childEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  configured: Readonly<Record<string, string>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = base[name];
    if (value !== undefined) env[name] = value;
  }
  for (const [name, value] of Object.entries(configured)) if (!OWN.test(name)) env[name] = value;
  return env;
}

/** The first configured variable that would make a measurement of the server's file worthless, or null. */
export function loadsOtherCode(configured: Readonly<Record<string, string>>): string | null {
  return Object.keys(configured).find((name) => LOADS_CODE.test(name)) ?? null;
}
