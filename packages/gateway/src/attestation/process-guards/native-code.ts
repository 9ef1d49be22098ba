import { type Condition, ok, problem, warning } from './condition.ts';
import type { ProcessFacts } from './process-facts.ts';

/** What an OpenSSL that is built into Node.js reads at every start on Linux (Node.js, deps/openssl: OPENSSLDIR is /etc/ssl). */
const OPENSSL_FILE = '/etc/ssl/openssl.cnf';
/** The setting by which that file can name providers, which are libraries, to Node.js; and what takes settings from other files. */
const OPENSSL_LOADS = ['nodejs_conf', '.include'];
/** What surely fits, with its end and a byte order mark, into the piece that OpenSSL reads at once. */
const CLEAR_LINE_BYTES = 500;
/** What is mapped into this process (proc_pid_maps(5)). */
const MAPS = '/proc/self/maps';
const MAPPING = /^[0-9a-f]+-[0-9a-f]+ [r-][w-](?<executable>[x-])[ps] [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+ *(?<path>.*)$/;

/** Where distributions keep the libraries of the system, by processor and by its features. */
const SYSTEM_FOLDER =
  /^(?:\/usr)?\/lib(?:64)?(?:\/[a-z0-9_]+-linux-(?:gnu|musl)[a-z0-9]*)?(?:\/glibc-hwcaps\/[\w.-]+|\/gcc\/[\w-]+\/[\d.]+)?$/;
/** What the C library loads to look up names (nsswitch.conf(5)): its own services, and those that distributions bring. */
const NAME_SERVICES =
  'files|dns|compat|systemd|myhostname|mymachines|resolve|sss|ldap|mdns|mdns4|mdns4_minimal|mdns_minimal|nis|nisplus|hesiod|db|winbind|wins';
/** What Node.js is linked to: the C and C++ runtimes, their loader, and the services of names. */
const RUNTIME = new RegExp(
  String.raw`^(?:ld(?:64|-(?:linux|musl)[\w-]*|-2)(?:\.[\d.]+)?|lib(?:c|m|dl|rt|pthread|resolv|atomic|gcc_s|stdc\+\+|nss_(?:${NAME_SERVICES}))(?:-[\d.-]+|\.musl-\w+)?)\.so(?:\.[\d.]+)?$`,
);

/** Whether native code besides Node.js was loaded, or is about to be. */
export async function nativeCodeConditions(facts: ProcessFacts): Promise<Condition[]> {
  return [await opensslConfiguration(facts), await mappedCode(facts)];
}

async function opensslConfiguration({ platform, read, exists }: ProcessFacts): Promise<Condition> {
  const about = 'OpenSSL configuration';
  if (platform !== 'linux') return warning(about, `whether it loads libraries cannot be told on ${platform}`, null);
  const text = await read(OPENSSL_FILE);
  if (text === null && !(await exists(OPENSSL_FILE))) return ok(about, `there is no ${OPENSSL_FILE}`);
  const fix = `Take it out, or start the gateway with an empty file there; in a systemd unit: BindReadOnlyPaths=/dev/null:${OPENSSL_FILE}`;
  if (text === null) return problem(about, `${OPENSSL_FILE} cannot be read, and may name libraries to load`, fix);
  const unclear = unclearLines(text);
  if (unclear !== null)
    return problem(about, `what ${OPENSSL_FILE} makes Node.js load cannot be told, because it has ${unclear}`, fix);
  const settings = text.split('\n').filter((line) => !/^[ \t\r]*#/.test(line));
  const loads = OPENSSL_LOADS.filter((word) => settings.some((line) => line.includes(word)));
  if (loads.length === 0) return ok(about, `${OPENSSL_FILE} names nothing to load`);
  const found = `${OPENSSL_FILE} contains ${loads.join(' and ')}, by which Node.js can load libraries at its start`;
  return problem(about, found, fix);
}

/**
 * What keeps a line of this file from being one of OpenSSL, comment or not; null when each is. A backslash at the end joins lines, but
 * not always (config(5ssl)); a zero byte hides the end of its line; and lines are read in pieces of 511 bytes, where a backslash
 * vanishes and a carriage return ends the line (OpenSSL, crypto/conf/conf_def.c).
 */
function unclearLines(text: string): string | null {
  const lines = text.split('\n').map((line) => line.replace(/\r+$/, ''));
  if (lines.some((line) => line.endsWith('\\'))) return 'a backslash at the end of a line';
  if (text.includes('\0')) return 'a zero byte';
  if (lines.some((line) => line.includes('\r'))) return 'a carriage return within a line';
  if (text.split('\n').some((line) => Buffer.byteLength(line) > CLEAR_LINE_BYTES))
    return `a line of more than ${CLEAR_LINE_BYTES} bytes`;
  return null;
}

async function mappedCode({ platform, read, executable }: ProcessFacts): Promise<Condition> {
  const about = 'native code';
  if (platform !== 'linux') return warning(about, `what is loaded cannot be told on ${platform}`, null);
  const lines = (await read(MAPS))?.split('\n').filter((line) => line !== '') ?? [];
  const mappings = lines.map((line) => MAPPING.exec(line)?.groups);
  const fix =
    'Start cmcp with the Node.js of nodejs.org, which needs nothing but the C and C++ runtimes of the system.';
  if (lines.length === 0 || mappings.includes(undefined))
    return problem(about, `${MAPS} cannot be read, so what is loaded cannot be told`, fix);
  const paths = mappings.flatMap((each) => (each?.executable === 'x' ? [each.path ?? ''] : []));
  const strange = new Set(paths.filter((path) => path !== executable && !isOfSystem(path)));
  if (strange.size === 0) return ok(about, 'Node.js and the C and C++ runtimes of the system, nothing else');
  const found = `${[...strange].join(', ')} ${strange.size === 1 ? 'is' : 'are'} loaded, and in no measurement`;
  return problem(about, found, `${fix} After an update of the system, restart.`);
}

/** Memory without a file, as compiled JavaScript lies in, has no name or one in brackets. */
function isOfSystem(path: string): boolean {
  if (path === '' || path.startsWith('[')) return true;
  const end = path.lastIndexOf('/');
  return SYSTEM_FOLDER.test(path.slice(0, end)) && RUNTIME.test(path.slice(end + 1));
}
