import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { blank, drawn, type Fill, SECRETS } from '../../../../../tests/support/detector-examples.ts';
import { VALUE_RULES } from './rules.ts';
import { scanValues } from './scan-values.ts';

const rulesIn = (text: string): string[] => scanValues(text).map(({ rule }) => rule);
const spansOf = (text: string, rule: string): string[] =>
  scanValues(text)
    .filter((finding) => finding.rule === rule)
    .map(({ start, end }) => text.slice(start, end));

const fill = drawn(7);
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = `${url({ alg: 'HS256', typ: 'JWT' })}.${url({ sub: '42', admin: true })}.${fill(43)}`;
const bedrock = (padding: Fill): string => base64(`BedrockAPIKey-${padding(4)}-at-${padding(12)}:${padding(60)}`);

/** Of rules whose values are not drawn at random: one that is, and one that is not. */
const FORMED: Readonly<Record<string, readonly [is: string, isNot: string]>> = {
  'aws-amazon-bedrock-api-key-long-lived': [`ABSK${bedrock(fill)}`, `ABSK${fill(132)}`],
  'aws-amazon-bedrock-api-key-short-lived': [
    `bedrock-api-key-${base64('bedrock.amazonaws.com/?Action=CallWithBearerToken')}`,
    `bedrock-api-key-${base64('another.example.com/?Action=CallWithBearerToken')}`,
  ],
  jwt: [jwt, `eyJ${fill(30)}.eyJ${fill(30)}.${fill(43)}`],
  'jwt-base64': [base64(jwt), base64(`eyJ${fill(80)}`)],
  'basic-auth-url': [
    `postgres://svc:${fill(12)}@db.example.org/app`,
    ['postgres://', '$', '{USER}:$', '{PASSWORD}@db'].join(''),
  ],
  'sidekiq-sensitive-url': [
    'https://0badf00d:feedc0de@gems.contribsys.com/',
    'https://0badf00d:feedc0de@gems.example.org/',
  ],
  'sidekiq-secret': ['BUNDLE_GEMS__CONTRIBSYS__COM: 0badf00d:feedc0de', 'BUNDLE_GEMS__EXAMPLE__ORG: 0badf00d:feedc0de'],
  'microsoft-teams-webhook': [
    `https://acme.webhook.office.com/webhookb2/${['a', 'b', 'c']
      .map((digit) => [8, 4, 4, 4, 12].map((length) => digit.repeat(length)).join('-'))
      .join('@')
      .replace(/@(?=c)/, `/IncomingWebhook/${'0a'.repeat(16)}/`)}`,
    'https://acme.webhook.office.com/webhookb2/',
  ],
};

/** What they begin with may be glued, or be the end of a longer name. */
const WITHIN_WORDS = ['azure-ad-client-secret', 'aws-session-token'];

describe('secrets', () => {
  it('have an example for each rule', () => {
    const secrets = VALUE_RULES.filter(({ kind }) => kind === 'secret').map(({ id }) => id);
    const shown = [...Object.keys(SECRETS), ...Object.keys(FORMED)].filter((id) => id !== 'bitcoin-wallet-key');
    assert.deepEqual([...new Set(secrets)].sort(), shown.sort());
  });

  for (const [rule, written] of Object.entries(SECRETS)) {
    it(`${rule}: found when drawn at random, not found when filled in with one character`, () => {
      for (const seed of [11, 222, 3333]) assert.ok(rulesIn(written(drawn(seed))).includes(rule), written(drawn(seed)));
      assert.ok(!rulesIn(written(blank)).includes(rule), written(blank));
    });
  }

  for (const [rule, [is, isNot]] of Object.entries(FORMED)) {
    it(`${rule}: found in its form, not found out of it`, () => {
      assert.ok(rulesIn(is).includes(rule), is);
      assert.ok(!rulesIn(isNot).includes(rule), isNot);
    });
  }

  it('are found with what is glued to them [D-31, DET-07]', () => {
    const glued = { 'aws-access-token': 20, 'github-pat': 40, 'anthropic-api-key': 108, 'stripe-access-token': 32 };
    for (const [rule, length] of Object.entries(glued)) {
      const token = (SECRETS[rule] as (fill: Fill) => string)(drawn(5));
      assert.equal(token.length, length);
      for (const text of [`${token}_old`, `my_${token}`, `backup-${token}-2024`, `"KEY_${token}_x"`]) {
        const run = /[\w-]{20,}/.exec(text)?.[0];
        assert.deepEqual(spansOf(`see ${text}, please`, rule), [run], text);
      }
    }
  });

  it('are found with what is glued to them, whatever the provider', () => {
    const glued = Object.keys(SECRETS).filter((id) => VALUE_RULES.some((rule) => rule.id === id && rule.glued));
    assert.ok(glued.length > 100);
    for (const rule of glued) {
      const text = `${SECRETS[rule]?.(drawn(5))}_old`;
      assert.ok(
        scanValues(text).some((found) => found.rule === rule && found.end === text.length),
        text,
      );
    }
  });

  it('are not found in the middle of a word where their prefix is too short to tell', () => {
    const guarded = Object.keys(SECRETS).filter((id) => {
      const forms = VALUE_RULES.filter((rule) => rule.id === id);
      return !WITHIN_WORDS.includes(id) && forms.every(({ before }) => before?.reach === 1);
    });
    assert.ok(guarded.length > 40);
    for (const rule of guarded) {
      const text = `zz${SECRETS[rule]?.(drawn(5))}`;
      assert.ok(!rulesIn(text).includes(rule), text);
    }
  });

  it('need a word nearby where their form says too little', () => {
    const said: readonly (readonly [rule: string, alone: string, word: string])[] = [
      ['gcp-api-key', `AIzaSy${fill(33)}`, 'key '],
      ['twitter-bearer-token', `${'A'.repeat(22)}${fill(90)}`, 'bearer '],
      ['azure-shared-access-signature', `sig=${fill(43)}%3D`, 'sv=2024-01-01&'],
    ];
    for (const [rule, alone, word] of said) {
      assert.deepEqual(spansOf(`it is ${alone}.`, rule), [], rule);
      assert.equal(spansOf(`${word}${alone}`, rule).length, 1, rule);
    }
  });

  it('are not parts of a longer signature that has their marks by chance', () => {
    assert.deepEqual(rulesIn(`${fill(60)}~${fill(30)}8Q~${fill(34)}`), []);
    assert.deepEqual(rulesIn(`ABSK${bedrock(fill).slice(0, 60)}`), []);
  });

  it('are not what documents write in their stead', () => {
    const text = [
      'AKIAIOSFODNN7EXAMPLE',
      'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      `ghp_${'x'.repeat(36)}`,
      'password = "<your-password>"',
      ['api_key = "$', '{API_KEY}"'].join(''),
      'secret: process.env.CLIENT_SECRET_2024',
      'token: {{ vault_token_01 }}',
      'curl -u user:password https://api.example.org',
      'curl -H "Authorization: Bearer $TOKEN_2" https://api.example.org',
      'https://user:pass@example.org/',
      'AIzaSyabcdefghijklmnopqrstuvwxyz1234567 is a key',
      '-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----',
    ].join('\n\n');
    assert.deepEqual(rulesIn(text), []);
  });

  it('are found in a private key without an end, and in one without a beginning', () => {
    const body = Array.from({ length: 8 }, () => fill(64)).join('\n');
    const begun = ['-----BEGIN RSA ', 'PRIVATE KEY-----\n'].join('');
    const ended = ['\n-----END RSA ', 'PRIVATE KEY-----'].join('');
    for (const key of [`${begun}${body}`, `${body}${ended}`]) assert.deepEqual(spansOf(key, 'private-key'), [key]);
    const long = Array.from({ length: 100 }, () => fill(64)).join('\n');
    const whole = `${begun}${long}${ended}`;
    const covered = new Set<number>();
    for (const { start, end } of scanValues(whole)) for (let at = start; at < end; at++) covered.add(at);
    assert.equal(covered.size, whole.length);
  });

  it('takes a command on lines that a backslash joins for one command, and no other line', () => {
    const password = fill(14);
    const option = `-u svc:${password} https://api.example.org`;
    assert.deepEqual(spansOf(`curl -s \\\n  ${option}`, 'curl-auth-user'), [`svc:${password}`]);
    assert.deepEqual(spansOf(`curl -s https://a.example\nnc ${option}`, 'curl-auth-user'), []);
  });

  it('takes for the value what is secret in it, and leaves the rest', () => {
    const password = `${fill(10)}7a`;
    assert.deepEqual(spansOf(`redis://svc:${password}@cache.example.org:6379/0`, 'basic-auth-url'), [
      `svc:${password}`,
    ]);
    for (const written of [`{"db_password": "${password}"}`, `db_password=${password};`, `pwd: '${password}'`]) {
      assert.deepEqual(spansOf(written, 'assigned-credential'), [password], written);
    }
    for (const quote of ['', '"', "'"]) {
      assert.deepEqual(spansOf(`curl -u ${quote}svc:${password}${quote} x`, 'curl-auth-user'), [`svc:${password}`]);
    }
    for (const [before, after] of [
      ['https://a.example/?password=', '&x'],
      ['https://a.example/?n=1&db_password=', '&next=2'],
      ['password=', '&next=2'],
    ])
      assert.deepEqual(spansOf(`${before}${password}${after}`, 'assigned-credential'), [password], before);
    for (const written of ['Tr0ub4dor&3xyzQ', 'Q&A-7xK9mT', '7xK9mTr0ub&'])
      assert.deepEqual(spansOf(`The password: ${written} is new`, 'assigned-credential'), [written]);
    assert.deepEqual(spansOf('const secret: Uint8Array = x;', 'assigned-credential'), []);
  });

  it('are not read into code, names and addresses', () => {
    const text = [
      'const passwordField = document.querySelector("#password");',
      'password: string; secretName: my-secret-name',
      'client_secret_path = "/etc/app/secret2.json"',
      'if (password === expectedPassword1) return true;',
      'https://example.org/a:b@c is no address with a password',
      'rgb(12, 34, 56) and 1.2.3 and 2024-01-02T03:04:05Z',
      'commit 3f2a9c1d8b7e6f5a4c3b2d1e0f9a8b7c6d5e4f3a',
      'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      '550e8400-e29b-41d4-a716-446655440000',
    ].join('\n');
    assert.deepEqual(rulesIn(text), []);
  });
});
