/**
 * Variables of Node.js that neither load code, nor write elsewhere, nor weaken TLS. Container images set some of them. What
 * certificates they bring is measured (measurement/added-trust.ts).
 */
const HARMLESS = new Set([
  'NODE_DISABLE_COLORS',
  'NODE_ENV',
  'NODE_EXTRA_CA_CERTS',
  'NODE_HOME',
  'NODE_NO_WARNINGS',
  'NODE_USE_SYSTEM_CA',
  'NODE_VERSION',
]);

/** Families of variables that a loader, a library or the runtime takes code, or its place, from. */
const FAMILIES: readonly [RegExp, string][] = [
  [/^LD_/, 'the dynamic linker loads libraries from where it says (ld.so(8))'],
  [/^DYLD_/, 'the dynamic linker loads libraries from where it says (dyld(1))'],
  [/^GLIBC_TUNABLES$/, 'it changes how the C library works (ld.so(8))'],
  [/^GCONV_PATH$/, 'the C library loads converters from there (iconv(3))'],
  [/^LOCPATH$/, 'the C library reads the data of a language from there (locale(7))'],
  [/^HOSTALIASES$/, 'it names a file that leads names of hosts elsewhere (hostname(7))'],
  [/^OPENSSL_(?:CONF|CONF_INCLUDE|ENGINES|MODULES)$/, 'OpenSSL loads modules that it names (openssl-env(7))'],
  [/^SSLKEYLOGFILE$/, 'it asks for the secrets of TLS connections to be written to a file'],
  [/^NODE_OPTIONS$/, 'it adds flags, such as --require, to the command line of Node.js'],
  [/^NODE_PATH$/, 'Node.js also looks for packages there'],
  [/^NODE_COMPILE_CACHE$/, 'Node.js takes compiled code from there'],
  [/^NODE_TLS_REJECT_UNAUTHORIZED$/, 'it can turn off the checking of certificates'],
  [/^NODE_/, 'it is a variable of Node.js that is not known to be harmless'],
];

export interface UnsafeVariable {
  name: string;
  /** What it does, in words; never its value. */
  why: string;
}

/** The variables that can change what code runs, or let secrets out, by name. An empty one counts: some mean the working folder. */
export function unsafeVariables(variables: Readonly<Record<string, string>>): UnsafeVariable[] {
  return Object.keys(variables)
    .filter((name) => !HARMLESS.has(name))
    .sort()
    .flatMap((name) => {
      const family = FAMILIES.find(([pattern]) => pattern.test(name));
      return family === undefined ? [] : [{ name, why: family[1] }];
    });
}
