import { isPlaceholder, looksRandom } from './placeholder.ts';
import type { Before, ValueRule } from './rule.ts';
import { token } from './secret-rules.ts';

/** `curl` in the same command. */
const IN_CURL: Before = { words: /\bcurl\b/, reach: 1024, sameLine: true };

const CREDENTIAL_HEADERS =
  'authorization|x-api-key|api-key|apikey|x-auth-token|x-auth-key|private-token|x-vault-token|x-access-token|x-amz-security-token';

const CREDENTIAL_NAMES = [
  'password',
  'passwd',
  'pwd',
  'passphrase',
  'client',
  'secret',
  'api_key',
  'apikey',
  'api-key',
  'auth_token',
  'access_token',
  'refresh_token',
];
const ASSIGNED = String.raw`(?:password|passwd|pwd|passphrase|client[_-]?secret|secret(?:[_-]?key)?|api[_-]?key|(?:auth|access|refresh)_token)["'\]]{0,2}\s{0,4}(?::=|=>|[=:])\s{0,4}`;

/** What a URL's query has before the name of a member. */
const IN_QUERY: Before = { words: /[?&][\w.-]{0,40}$/, reach: 42 };

/** A value without quotes; each character of it is one that `goesOn` lets pass. */
const unquoted = (goesOn: string): RegExp =>
  new RegExp(`${ASSIGNED}(?<value>(?:${goesOn}[^\\s"'\`,;<>(){}[\\]]){8,128})`, 'diy');

/** Credentials whose form is a standard's, not a provider's. */
export const PLAIN_SECRETS: readonly ValueRule[] = [
  {
    id: 'private-key',
    kind: 'secret',
    what: 'Private key in PEM or PGP armour, also when its end is cut off',
    trigger: { anchors: ['-----begin '] },
    pattern:
      /-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.()@"']|-(?!----)){16,3700}(?:-----END [A-Z0-9 ]{0,40}-----)?/iy,
    valid: hasKeyBody,
  },
  {
    id: 'private-key',
    kind: 'secret',
    what: 'Private key whose beginning is cut off',
    trigger: { anchors: ['-----end '], lead: { chars: /[A-Za-z0-9+/=\s\\]/, most: 3700 } },
    pattern: /[A-Za-z0-9+/=\s\\]{48,3700}-----END (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/iy,
    valid: hasKeyBody,
  },
  {
    id: 'putty-private-key',
    kind: 'secret',
    what: 'Private key of PuTTY',
    trigger: { anchors: ['private-lines:'] },
    pattern: /Private-Lines: \d{1,3}\s{1,4}[A-Za-z0-9+/=\s\\]{32,3700}/y,
    valid: hasKeyBody,
  },
  {
    ...token('jwt', 'JSON web token', 'eyj', /eyJ[\w-]{8,400}\.eyJ[\w-]{8,2600}(?:\.[\w-]{0,700})?/y),
    valid: isWebToken,
  },
  {
    ...token('jwt-base64', 'JSON web token in base64', 'zxlk', /ZXlK[A-Za-z0-9+/_-]{60,3600}={0,2}/y),
    valid: isWrappedWebToken,
  },
  {
    id: 'basic-auth-url',
    kind: 'secret',
    what: 'User and password in a URL',
    trigger: { anchors: ['://'] },
    pattern: /:\/\/(?<value>[^\s/?#@:"'`<>\\]{0,80}:[^\s/?#@"'`<>\\]{3,160})@[A-Za-z0-9[]/dy,
    valid: isPair,
  },
  {
    id: 'sidekiq-sensitive-url',
    kind: 'secret',
    what: 'Licence of Sidekiq in a URL',
    trigger: { anchors: ['://'] },
    pattern: /:\/\/(?<value>[a-f0-9]{8}:[a-f0-9]{8})@(?:gems|enterprise)\.contribsys\.com/diy,
  },
  {
    id: 'sidekiq-secret',
    kind: 'secret',
    what: 'Licence of Sidekiq in a setting',
    trigger: { anchors: ['bundle_enterprise__contribsys__com', 'bundle_gems__contribsys__com'] },
    pattern:
      /BUNDLE_(?:ENTERPRISE|GEMS)__CONTRIBSYS__COM["']?\s{0,4}[=:]\s{0,4}["']?(?<value>[a-f0-9]{8}:[a-f0-9]{8})/diy,
  },
  {
    id: 'curl-auth-user',
    kind: 'secret',
    what: 'User and password on the command line of curl',
    trigger: { anchors: [' -u', '\t-u', ' --user', '\t--user', ' --proxy-user'] },
    pattern: /\s-(?:u|-user|-proxy-user)[ =]{0,4}["']?(?<value>[^\s"'\\]{3,200}(?:":"[^"\n]{1,200})?)/dy,
    valid: isQuotedPair,
    before: IN_CURL,
  },
  {
    id: 'curl-auth-header',
    kind: 'secret',
    what: 'Credential in a header on the command line of curl',
    trigger: { anchors: CREDENTIAL_HEADERS.split('|') },
    pattern: new RegExp(
      `(?:${CREDENTIAL_HEADERS}):\\s{0,6}(?:(?:basic|bearer|token|api-token|apikey|api-key|digest)\\s{1,6})?(?<value>[^\\s"'\\\\]{8,2000})`,
      'diy',
    ),
    valid: isHeaderValue,
    before: IN_CURL,
  },
  {
    id: 'authorization-header',
    kind: 'secret',
    what: 'Credential in a header of HTTP',
    trigger: { anchors: ['authorization', 'proxy-authorization'] },
    pattern:
      /authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:basic|bearer|token)\s{1,6}(?<value>[A-Za-z0-9\-._~+/]{16,2000}={0,2})/diy,
    valid: looksRandom,
    yields: true,
  },
  {
    id: 'assigned-credential',
    kind: 'secret',
    what: 'Password or key that is assigned to its name, if it is no placeholder',
    trigger: { anchors: CREDENTIAL_NAMES },
    pattern: new RegExp(String.raw`${ASSIGNED}["'](?<value>[^"'\s]{8,128})["']`, 'diy'),
    valid: isStrong,
    yields: true,
  },
  {
    id: 'assigned-credential',
    kind: 'secret',
    what: 'The same without quotes',
    trigger: { anchors: CREDENTIAL_NAMES },
    pattern: unquoted('(?!&(?:amp;)?[A-Za-z][\\w.-]{0,40}=)'),
    valid: isStrongWithoutQuotes,
    unless: IN_QUERY,
    yields: true,
  },
  {
    id: 'assigned-credential',
    kind: 'secret',
    what: 'The same in the query of a URL',
    trigger: { anchors: CREDENTIAL_NAMES },
    pattern: unquoted('(?!&)'),
    valid: isStrongWithoutQuotes,
    before: IN_QUERY,
    yields: true,
  },
];

/** More than the armour, and no words that stand for it. */
function hasKeyBody(value: string): boolean {
  const body = value.replace(/-----(?:BEGIN|END)[^-]{0,60}-----/g, ' ').replace(/\\[nr]/g, '\n');
  return /[A-Za-z0-9+/]{24}/.test(body) && !isPlaceholder(body);
}

/** Its header is JSON that names an algorithm or a type. */
function isWebToken(value: string): boolean {
  return /"(?:alg|typ|kid|enc)"/.test(Buffer.from(value.slice(0, value.indexOf('.')), 'base64url').toString('latin1'));
}

function isWrappedWebToken(value: string): boolean {
  return /^eyJ[\w-]{8,}\.eyJ[\w-]/.test(Buffer.from(value, 'base64').toString('latin1'));
}

const MEANT_FOR_READERS =
  /^(?:user(?:name)?|me|you|name|login|email)?:?(?:pass(?:word|wd)?|pwd|secret|token|key|api[-_]?key)$/i;

function isPair(pair: string): boolean {
  const [user, password] = [pair.slice(0, pair.indexOf(':')), pair.slice(pair.indexOf(':') + 1)];
  if (MEANT_FOR_READERS.test(pair) || MEANT_FOR_READERS.test(`:${password}`)) return false;
  if (/^\d{1,5}$/.test(password)) return false;
  return password.length > 2 && !isTemplate(user) && !isTemplate(password) && !/^(.)\1*$/.test(password);
}

/** A variable, a template's member, or a word in brackets: filled in later. */
function isTemplate(text: string): boolean {
  return /^[$%]|\$\{|\$\(|\{\{|^\{[a-z_ .-]+\}$|^<|^\[|^\*+$|^x+$|your[-_]?|example|changeme|redacted|placeholder/i.test(
    text,
  );
}

/** Not a call, a template or a list that stands for a value. */
function isHeaderValue(value: string): boolean {
  return !/[{}()[\]<>$*]/.test(value) && looksRandom(value);
}

function isQuotedPair(quoted: string): boolean {
  const pair = quoted.replace(/"/g, '');
  return pair.indexOf(':') > 0 && isPair(pair);
}

/** Of letters and digits, and not the name of something, a path or an address. */
function isStrong(value: string): boolean {
  if (!/[A-Za-z]/.test(value) || !/\d/.test(value) || /^[a-z]+:\/\/|^[./~]|[./][a-z]{2,5}$/i.test(value)) return false;
  return !/^[A-Z]?[a-z]+(?:[A-Z._-]?[a-z]+)*\d{0,2}$/.test(value) && looksRandom(value);
}

/** Without quotes it may be a type's name as well. */
function isStrongWithoutQuotes(value: string): boolean {
  return /\d.*\d|[!@#%^*+/=~]/.test(value) && isStrong(value);
}
