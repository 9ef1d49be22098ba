import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { encodeBase64Url, jwkThumbprint } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { readEnvironment } from './environment.ts';
import { loadConfig, readConfig } from './load.ts';
import { CONFIG_SCHEMA } from './schema.ts';
import type { Config } from './types.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const C = 'c'.repeat(64);
const D = 'd'.repeat(64);
const dev = readEnvironment({ CMCP_DEV_MODE: '1', CRM_TOKEN: 'tok$en', EMPTY: '' });
const production = readEnvironment({});

let folder = '';
const RECORDING_KEY = Buffer.alloc(32, 9).toString('base64url');

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-config-'));
  await writeFile(join(folder, 'agents.yaml'), `- { subject: filed, token_sha256: ${B} }\n`);
});
after(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function write(text: string | Uint8Array): Promise<string> {
  files += 1;
  const file = join(folder, `cmcp-${files}.yaml`);
  await writeFile(file, text);
  return file;
}

const read = async (text: string, environment = dev): Promise<Config> => readConfig(await write(text), environment);

/** The detail of the refusal, with the file's path shortened to `F`. */
async function refusal(text: string | Uint8Array, environment = dev, code = 'CONFIG_INVALID'): Promise<string> {
  const file = await write(text);
  const error = await loadConfig(file, environment).then(
    () => assert.fail('accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof GatewayError, String(error));
  assert.equal(error.code, code, error.detail);
  return error.detail.replaceAll(file, 'F');
}

const REVIEWER = 'FR6KmhOJo3HcvtaAuj_J8d1zujqW0_KSL6yRREsq7Fo';
const OTHER_KEY = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

const QUORUM = {
  threshold: 1,
  reviewers: [{ key: REVIEWER, principal: 'ada', issuer: 'acme', role: 'security', key_id: 'a-key' }],
  distinct_principals: false,
  distinct_roles: true,
  revoked: ['old-key'],
  policy_id: 'one',
  id: 'main',
  least_sequence: 3,
};

const READ_QUORUM = {
  threshold: 1,
  reviewers: [{ key: REVIEWER, principal: 'ada', issuer: 'acme', role: 'security', keyId: 'a-key' }],
  distinctPrincipals: false,
  distinctRoles: true,
  revoked: ['old-key'],
  policyId: 'one',
  subjectId: 'main',
  leastSequence: 3,
};
const KEY = '2-CcRAxMTsaz6SIWczUXVLU5IVgtxSBEr73ns0u2iKg';

/** Every documented key, with a value that is not its default. YAML contains JSON, so the file is this object. */
function everyKey() {
  return {
    cmcp: 1,
    listen: '[::1]:9000',
    allowed_hosts: ['Gateway.example:8443'],
    allowed_origins: ['https://app.example'],
    data: './elsewhere',
    mode: 'advisory',
    policy: { path: './bundle', hash: `sha256:${A}`, key: KEY, approval: QUORUM },
    catalog: {
      path: './tools.json',
      hash: B,
      recheck: '5m',
      recheck_above: 'confidential',
      required_provenance_kind: 'observer-attested',
      approval: QUORUM,
    },
    agents: [
      {
        subject: 'research agent',
        token_sha256: [A, D],
        expires: '2027-01-31T12:00:00+01:00',
        scopes: ['mcp:tools:read'],
        groups: ['research'],
      },
    ],
    agents_file: './agents.yaml',
    identity: {
      resource: 'https://gateway.example/mcp',
      oauth: [
        {
          issuer: 'https://login.example/realms/a',
          audience: 'cmcp',
          jwks_uri: 'https://keys.example/jwks',
          ca: './tls/login-ca.pem',
          algorithms: ['ES256'],
          token_type: 'any',
          subject_claim: 'client_id',
          subject_prefix: 'a/',
          user_claim: 'sub',
          groups_claim: 'groups',
          workflow_claim: 'wf',
          required_scopes: ['mcp:tools'],
          scopes: 'ignored',
          clock_tolerance: '5s',
          dpop: 'required',
          outage: '1h',
        },
      ],
      spiffe: {
        trust_domains: { ours: { bundle: './spiffe/ours.json' }, theirs: { bundle: null } },
        workload_api: 'unix:///run/spire/agent.sock',
        allowed: ['spiffe://ours/agents/*', 'spiffe://theirs/job'],
        groups: { research: ['spiffe://ours/agents/research'] },
        audience: 'https://gateway.example/mcp',
      },
      scopes: { 'mail:send': ['tool:send_mail'] },
    },
    stdio: { subject: 'desktop' },
    operator: {
      socket: './op.sock',
      listen: '127.0.0.1:9443',
      tls: { certificate: './tls/op.pem', key: './tls/op.key', client_ca: './tls/op-ca.pem' },
      allowed_hosts: ['operate.example'],
      credentials: [{ subject: 'ops', token_sha256: C, roles: ['operator', 'viewer'] }],
      certificates: [
        { certificate: 'email:anna@example.org', subject: 'anna', roles: ['approver'] },
        { certificate: `sha256:${B}`, subject: 'ben' },
      ],
      oidc: {
        issuer: 'https://login.example/realms/a',
        audience: 'cmcp-operators',
        jwks_uri: 'https://keys.example/jwks',
        ca: './tls/login-ca.pem',
        algorithms: ['ES256'],
        token_type: 'any',
        subject_claim: 'email',
        subject_prefix: 'o/',
        groups_claim: 'groups',
        required_scopes: ['operate'],
        clock_tolerance: '5s',
        outage: '1h',
        resource: 'https://operate.example:9443',
        grants: [{ group: 'sre', roles: ['operator'] }],
      },
    },
    approvals: {
      approvers: { finance: { operators: ['ops'], keys: [KEY], required_signature: true } },
      max_open: 9,
      max_open_per_caller: 3,
      ttl: '2h',
      callback: {
        url: 'https://crm.example/approvals',
        secret_file: './secrets/callback',
        name: 'risk-engine',
        timeout: '2s',
        send_arguments: true,
      },
    },
    tls: { source: 'files', certificate: './tls/server.pem', key: './tls/server.key', client_ca: './tls/clients.pem' },
    attestation: {
      provider: 'tpm',
      tpm: {
        address: 'tcp:127.0.0.1:2321',
        ak_certificate: './ak.pem',
        event_log: './log',
        seal: [7, 4, 7],
        rollback_counter: true,
      },
      collateral: './amd',
      roots: ['./root.pem'],
      validity: '10m',
      staleness: 'warn_only',
      launch: 'ML3',
    },
    audit: { durability: 'batched', digests: 'plain' },
    claim: { granularity: 'interval', interval: '10m' },
    sessions: {
      idle: '90s',
      max_age: '2h',
      carry_over: '7d',
      reevaluate: '1m',
      max_open: 7,
      starts_per_minute: 5,
    },
    limits: {
      body_bytes: 2048,
      depth: 32,
      response_bytes: 4096,
      upstream_timeout: '1500ms',
      upstream_concurrency: 3,
      input_timeout: '2m',
      rates: [{ per: 'caller+tool', calls: 7, bytes: 4096, cost: 9, window: '1h', exceeded: 'block' }],
    },
    stop: {
      deny_rate: { share: '0.25', calls: 8, window: '2m' },
      injections: { count: 3, window: '1m' },
      drift: { count: 2 },
      scope: 'session',
    },
    sensitivity: { vocabulary: { board_minutes: 2 } },
    inspection: {
      path: './rules.yaml',
      quarantine: { keep: '2h', max_items: 5, max_bytes: 65536 },
      classifier: {
        url: 'https://crm.example/classify',
        timeout: '500ms',
        on_failure: 'flag',
        headers: { Authorization: 'Bearer of-the-classifier' },
      },
    },
    upstreams: {
      crm: {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference under test
        env: { CRM: '${CRM_TOKEN}' },
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference under test
        headers: { Authorization: 'Bearer $$${CRM_TOKEN}' },
        ca: './tls/ca.pem',
        client_certificate: './tls/gateway.pem',
        client_key: './tls/gateway.key',
        sandbox: { tool: 'bwrap', network: 'host', read: ['/srv/notes'], write: ['/srv/drafts'] },
        timeout: '5s',
        receipts: { keys: ['A'.repeat(43)], required: true },
      },
      erp: {
        credential: { file: './erp.token', header: 'X-Key', scheme: '', variable: 'ERP', lifetime: '90s' },
      },
      hr: { credential: { command: ['/bin/secret', 'hr'] } },
      tax: {
        credential: {
          oauth: {
            token_url: 'https://login.example/token',
            client_id: 'gateway',
            client_secret_file: './tax.secret',
            scope: 'read',
            resource: 'https://tax.example/',
            audience: 'tax',
            subject_token_file: '/run/subject',
          },
        },
      },
    },
    egress: { allow: ['CRM.example:443', '[::1]:8080'] },
    record: { decisions: { to: './recordings', key: RECORDING_KEY } },
    agent_manifest: {
      manifests: ['./manifests'],
      trust_anchors: './issuers.json',
      revocations: './revoked.jsonl',
      authenticated_subjects: { desktop: 'spiffe://acme.example/agent/desktop' },
      delegation_keys: { ada: OTHER_KEY },
    },
    conformance_profile: 'none',
    compat: 'cmcp-0.4',
  };
}

const SHOWN = { header: 'Authorization', scheme: 'Bearer', variable: 'MCP_CREDENTIAL', lifetimeMs: 300_000 };

const NO_PEER = { ca: null, client: null, sandbox: null };

/** A server that has a credential and no other settings. */
function onlyWith(credential: object) {
  return { env: {}, headers: {}, timeoutMs: null, ...NO_PEER, credential, receipts: { keys: [], required: false } };
}

/** Key paths of an object in the notation of the documentation. */
function paths(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => paths(item, `${prefix}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    return [path, ...paths(child, path)];
  });
}

test('every documented key can be set, and no other is documented [D-04]', async () => {
  // A credential has one source: no one server can have every key.
  const ofAny = paths(everyKey()).map((path) =>
    path.replace(/^upstreams\.(?:erp|hr|tax)/, 'upstreams.crm').replace('.trust_domains.theirs', '.trust_domains.ours'),
  );
  const named = ['upstreams.crm', 'identity.spiffe.trust_domains.ours', 'approvals.approvers.finance'];
  const set = new Set(ofAny.filter((path) => !named.includes(path)));
  const documented = CONFIG_SCHEMA.rows('').map(({ key }) =>
    key
      .replace('<a server id>', 'crm')
      .replace('<a trust domain>', 'ours')
      .replace('<scope>', 'mail:send')
      .replace('<a group name>', 'research')
      .replace('<an environment variable name>', 'CRM')
      .replace('<a header name that the gateway does not set itself>', 'Authorization')
      .replace('<a label that is not built in>', 'board_minutes')
      .replace('<the subject of a caller>', 'desktop')
      .replace('<the name of a principal>', 'ada')
      .replace('<the name of an approver>', 'finance'),
  );
  assert.deepEqual(new Set(documented), set);
  const config = await read(JSON.stringify(everyKey(), null, 2));
  const { hash, portableHash, agentsHash, operatorsHash, approversHash, file, ...rest } = config;
  assert.notEqual(portableHash, hash);
  assert.match(hash, /^sha256:[0-9a-f]{64}$/);
  assert.notEqual(agentsHash, operatorsHash);
  assert.match(approversHash, /^sha256:[0-9a-f]{64}$/);
  assert.equal(file, join(folder, `cmcp-${files}.yaml`));
  assert.deepEqual(rest, {
    dev: true,
    listen: { host: '::1', port: 9000 },
    allowedHosts: ['gateway.example:8443'],
    allowedOrigins: ['https://app.example'],
    dataDir: join(folder, 'elsewhere'),
    mode: 'advisory',
    policy: { path: join(folder, 'bundle'), pin: `sha256:${A}`, key: KEY, approval: READ_QUORUM },
    catalog: {
      path: join(folder, 'tools.json'),
      pin: `sha256:${B}`,
      recheckMs: 300_000,
      recheckAbove: 'confidential',
      requiredKind: 'observer-attested',
      approval: READ_QUORUM,
    },
    agents: [
      {
        subject: 'research agent',
        tokenSha256: [A, D],
        expiresMicros: Date.UTC(2027, 0, 31, 11) * 1000,
        scopes: ['mcp:tools:read'],
        groups: ['research'],
      },
      { subject: 'filed', tokenSha256: [B], expiresMicros: null, scopes: null, groups: [] },
    ],
    agentsFile: { path: join(folder, 'agents.yaml'), beside: config.agents.slice(0, 1) },
    identity: {
      resource: 'https://gateway.example/mcp',
      oauth: [
        {
          issuer: 'https://login.example/realms/a',
          audience: 'cmcp',
          jwksUri: 'https://keys.example/jwks',
          ca: join(folder, 'tls/login-ca.pem'),
          algorithms: ['ES256'],
          tokenType: 'any',
          subjectClaim: 'client_id',
          subjectPrefix: 'a/',
          userClaim: 'sub',
          groupsClaim: 'groups',
          workflowClaim: 'wf',
          requiredScopes: ['mcp:tools'],
          scopes: 'ignored',
          clockToleranceMs: 5_000,
          dpop: 'required',
          outageMs: 3_600_000,
        },
      ],
      spiffe: {
        trustDomains: { ours: { bundle: join(folder, 'spiffe/ours.json') }, theirs: { bundle: null } },
        workloadApi: '/run/spire/agent.sock',
        allowed: ['spiffe://ours/agents/*', 'spiffe://theirs/job'],
        groups: { research: ['spiffe://ours/agents/research'] },
        audience: 'https://gateway.example/mcp',
      },
      scopes: { 'mail:send': [{ kind: 'tool', name: 'send_mail' }] },
    },
    stdioSubject: 'desktop',
    operator: {
      socket: join(folder, 'op.sock'),
      listener: {
        listen: { host: '127.0.0.1', port: 9443 },
        allowedHosts: ['operate.example'],
        tls: {
          kind: 'files',
          certificate: join(folder, 'tls/op.pem'),
          key: join(folder, 'tls/op.key'),
          clientCa: join(folder, 'tls/op-ca.pem'),
        },
      },
      credentials: [{ subject: 'ops', tokenSha256: C, roles: ['viewer', 'operator'] }],
      certificates: [
        { match: { kind: 'san', value: 'email:anna@example.org' }, subject: 'anna', roles: ['approver'] },
        {
          match: { kind: 'fingerprint', value: `sha256:${B}` },
          subject: 'ben',
          roles: ['viewer', 'approver', 'operator', 'auditor'],
        },
      ],
      oidc: {
        resource: 'https://operate.example:9443',
        issuer: {
          issuer: 'https://login.example/realms/a',
          audience: 'cmcp-operators',
          jwksUri: 'https://keys.example/jwks',
          ca: join(folder, 'tls/login-ca.pem'),
          algorithms: ['ES256'],
          tokenType: 'any',
          subjectClaim: 'email',
          subjectPrefix: 'o/',
          userClaim: null,
          groupsClaim: 'groups',
          workflowClaim: null,
          requiredScopes: ['operate'],
          scopes: 'ignored',
          clockToleranceMs: 5_000,
          dpop: 'optional',
          outageMs: 3_600_000,
        },
        grants: [{ group: 'sre', roles: ['operator'] }],
      },
    },
    approvals: {
      approvers: { finance: { operators: ['ops'], keys: [KEY], requiredSignature: true } },
      maxOpen: 9,
      maxOpenPerCaller: 3,
      ttlMs: 7_200_000,
      callback: {
        url: 'https://crm.example/approvals',
        secretFile: join(folder, 'secrets/callback'),
        name: 'risk-engine',
        timeoutMs: 2000,
        sendArguments: true,
      },
    },
    tls: {
      kind: 'files',
      certificate: join(folder, 'tls/server.pem'),
      key: join(folder, 'tls/server.key'),
      clientCa: join(folder, 'tls/clients.pem'),
    },
    attestation: {
      provider: 'tpm',
      tpm: {
        address: { kind: 'tcp', host: '127.0.0.1', port: 2321 },
        akCertificate: join(folder, 'ak.pem'),
        eventLog: join(folder, 'log'),
        seal: [4, 7],
        rollbackCounter: true,
      },
      collateral: join(folder, 'amd'),
      roots: [join(folder, 'root.pem')],
      validityMs: 600_000,
      staleness: 'warn_only',
      launch: 'ML3',
    },
    audit: { durability: 'batched', digests: 'plain' },
    claim: { granularity: 'interval', intervalMs: 600_000 },
    sessions: {
      idleMs: 90_000,
      maxAgeMs: 7_200_000,
      carryOverMs: 604_800_000,
      reevaluateMs: 60_000,
      maxOpen: 7,
      startsPerMinute: 5,
    },
    limits: {
      bodyBytes: 2048,
      depth: 32,
      responseBytes: 4096,
      upstreamTimeoutMs: 1500,
      upstreamConcurrency: 3,
      inputTimeoutMs: 120_000,
      rates: [{ per: 'caller+tool', calls: 7, bytes: 4096, cost: 9, windowMs: 3_600_000, exceeded: 'block' }],
    },
    stop: {
      denyRate: { thousandths: 250, calls: 8, windowMs: 120_000 },
      injections: { count: 3, windowMs: 60_000 },
      drift: { count: 2 },
      scope: 'session',
    },
    vocabulary: { board_minutes: 2 },
    inspection: {
      path: join(folder, 'rules.yaml'),
      quarantine: { keepMs: 7_200_000, maxItems: 5, maxBytes: 65_536 },
      classifier: {
        url: 'https://crm.example/classify',
        timeoutMs: 500,
        onFailure: 'flag',
        headers: { Authorization: 'Bearer of-the-classifier' },
      },
    },
    upstreams: {
      crm: {
        env: { CRM: 'tok$en' },
        headers: { Authorization: 'Bearer $tok$en' },
        timeoutMs: 5000,
        credential: null,
        receipts: { keys: ['A'.repeat(43)], required: true },
        ca: join(folder, 'tls/ca.pem'),
        client: { certificate: join(folder, 'tls/gateway.pem'), key: join(folder, 'tls/gateway.key') },
        sandbox: { tool: 'bwrap', network: 'host', read: ['/srv/notes'], write: ['/srv/drafts'] },
      },
      erp: onlyWith({
        source: { kind: 'file', path: join(folder, 'erp.token') },
        header: 'X-Key',
        scheme: '',
        variable: 'ERP',
        lifetimeMs: 90_000,
      }),
      hr: onlyWith({ ...SHOWN, source: { kind: 'command', argv: ['/bin/secret', 'hr'] } }),
      tax: onlyWith({
        ...SHOWN,
        source: {
          kind: 'oauth',
          tokenUrl: 'https://login.example/token',
          clientId: 'gateway',
          clientSecret: join(folder, 'tax.secret'),
          scope: 'read',
          resource: 'https://tax.example/',
          audience: 'tax',
          subjectToken: '/run/subject',
        },
      }),
    },
    egress: { allow: ['crm.example:443', '[::1]:8080'] },
    recordDecisions: { folder: join(folder, 'recordings'), key: RECORDING_KEY },
    agentManifest: {
      manifests: [join(folder, 'manifests')],
      trustAnchors: join(folder, 'issuers.json'),
      revocations: join(folder, 'revoked.jsonl'),
      subjects: { desktop: 'spiffe://acme.example/agent/desktop' },
      delegationKeys: { ada: OTHER_KEY },
    },
    profile: 'none',
    compat: 'cmcp-0.4',
  });
});

test('an empty file means enforcing mode on loopback, strict and salted [D-09] [G13] [MCP26-03]', async () => {
  const config = await read('# nothing\n');
  assert.equal(config.mode, 'enforcing');
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8443 });
  assert.deepEqual(config.audit, { durability: 'strict', digests: 'salted' });
  assert.equal(config.operator.socket, join(folder, 'data', 'operator.sock'));
  assert.deepEqual(config.policy, { path: join(folder, 'policy'), pin: null, key: null, approval: null });
  assert.deepEqual(config.agents, []);
});

test('short forms of policy, catalog and stdio mean the same as the long ones', async () => {
  const short = await read('policy: ./p\ncatalog: ./c.json\nstdio: desk\n');
  assert.equal(short.policy.path, join(folder, 'p'));
  assert.equal(short.catalog.path, join(folder, 'c.json'));
  assert.equal(short.stdioSubject, 'desk');
});

/** A copy of `value` in which the key at `path` (indices as `[0]`) is spelt `spelling`. */
function respell(value: unknown, path: string[], spelling: string): unknown {
  const [head = '', ...rest] = path;
  if (Array.isArray(value))
    return value.map((item, index) => (`[${index}]` === head ? respell(item, rest, spelling) : item));
  const entries = Object.entries(value as Record<string, unknown>).map(([key, child]) => {
    if (key !== head) return [key, child];
    return rest.length === 0 ? [spelling, child] : [key, respell(child, rest, spelling)];
  });
  return Object.fromEntries(entries);
}

test('every misspelt key, at any depth, is refused with its place and the nearest known key [D-04]', async () => {
  const spellings = [
    (key: string) => `${key}x`,
    (key: string) => key.slice(1) + key.slice(0, 1),
    (key: string) => key.toUpperCase(),
    (key: string) => key.replace('_', '-').concat('_'),
  ];
  const chosen =
    /^(approvals\.approvers\.\w+$|upstreams\.\w+$|upstreams\.crm|identity\.spiffe\.(trust_domains\.\w+$|groups\.)|identity\.scopes\.|inspection\.classifier\.headers\.|sensitivity\.vocabulary\.|upstreams\.crm\.(env|headers)\.|agent_manifest\.(authenticated_subjects|delegation_keys)\.)/;
  const keys = paths(everyKey()).filter((path) => !chosen.test(path) || /^upstreams\.crm\.\w+$/.test(path));
  assert.ok(keys.length > 40);
  for (const key of keys) {
    const steps = key.replaceAll('[]', '.[0]').split('.');
    const name = steps.at(-1) ?? '';
    for (const spell of spellings) {
      const detail = await refusal(JSON.stringify(respell(everyKey(), steps, spell(name)), null, 1));
      const path = [...steps.slice(0, -1), spell(name)].join('.').replaceAll('.[0]', '[0]');
      const line = detail.split('\n').find((each) => each.includes('unknown key')) ?? '';
      assert.ok(line.startsWith('F:') && /^F:\d+:\d+: /.test(line), line);
      assert.ok(line.includes(`: ${path}: unknown key`), `${line} should name ${path}`);
      if (spell(name).startsWith(name)) assert.ok(line.includes(`.${name}\``) || line.includes(`\`${name}\``), line);
    }
  }
});

test('a refusal names file, line, column, the path and what is meant', async () => {
  const detail = await refusal(
    'listen: 127.0.0.1:0\nsessions:\n  idel: 30m\n  max_age: soon\npolcy: ./policy\nmode: enforce\n',
  );
  const section = (key: string): string => detail.split('\n').find((line) => line.includes(key)) ?? '';
  assert.equal(section('idel'), 'F:3:3: sessions.idel: unknown key; the nearest known key is `sessions.idle`');
  assert.match(section('max_age'), /^F:4:12: sessions\.max_age: expected a duration .*such as .*12h.*, found "soon"$/);
  assert.equal(section('polcy'), 'F:5:1: polcy: unknown key; the nearest known key is `policy`');
  assert.match(section('mode'), /^F:6:7: mode: expected `enforcing` or `advisory` or `silent`, found "enforce"$/);
});

const wrongValues: [string, RegExp][] = [
  ['cmcp: 2', /^F:1:7: cmcp: expected `1`, found "2"/],
  ['listen: 8443', /listen: expected host:port/],
  ['listen: 127.0.0.1:65536', /listen: expected host:port/],
  ['listen: "::1:80"', /listen: expected host:port/],
  ['allowed_hosts: gateway.example', /allowed_hosts: expected a list/],
  ['allowed_hosts: ["a b"]', /allowed_hosts\[0\]: expected a host/],
  ['allowed_origins: ["https://app.example/"]', /allowed_origins\[0\]: expected an origin/],
  ['allowed_origins: ["null"]', /allowed_origins\[0\]: expected an origin/],
  ['mode:', /mode: expected .* found nothing/],
  ['mode: [enforcing]', /found a list/],
  ['policy: {hash: abc}', /policy\.hash: expected a digest/],
  [`policy: {hash: ${'A'.repeat(64)}}`, /lower-case/],
  ['policy: []', /policy: expected a policy bundle \(keys: path, hash, key, approval\), found a list/],
  ['policy: { key: short }', /policy.key: expected an Ed25519 public key.*found "short"/],
  // The neutral element: a key under which one signature fits many texts.
  [`policy: { key: AQ${'A'.repeat(41)} }`, /policy.key: expected an Ed25519 public key/],
  ['agents: [{subject: x}]', /agents\[0\]\.token_sha256: missing/],
  [`agents: [{subject: "", token_sha256: ${A}}]`, /agents\[0\]\.subject: expected a name/],
  [`agents: [{subject: "né", token_sha256: ${A}}]`, /agents\[0\]\.subject: expected a name/],
  [`agents: [{subject: "${'s'.repeat(129)}", token_sha256: ${A}}]`, /agents\[0\]\.subject: expected a name/],
  ['sessions: {idle: 30}', /sessions\.idle: expected a duration/],
  ['sessions: {idle: 0s}', /sessions\.idle: expected a duration from 1s/],
  ['sessions: {idle: 25d}', /sessions\.idle: expected a duration/],
  ['sessions: {max_open: 1e3}', /sessions\.max_open: expected a whole number/],
  ['limits: {rates: [{per: caller, window: 1m}]}', /limits\.rates\[0\]: limits nothing/],
  ['limits: {rates: [{per: user, calls: 1, window: 1m}]}', /limits\.rates\[0\]\.per: expected `caller` or `tool`/],
  ['limits: {rates: [{per: tool, calls: 0, window: 1m}]}', /limits\.rates\[0\]\.calls: expected a whole number from 1/],
  [`limits: {rates: [${'{per: tool, calls: 1, window: 1m},'.repeat(33)}]}`, /limits\.rates: at most 32 limits/],
  ['stop: {deny_rate: {share: 1.1}}', /stop\.deny_rate\.share: expected a share above 0 and up to 1/],
  ['stop: {deny_rate: {share: 0.0}}', /stop\.deny_rate\.share: expected a share/],
  ['limits: {depth: 0x40}', /limits\.depth: expected a whole number/],
  ['limits: {body_bytes: -1}', /limits\.body_bytes: expected a whole number/],
  ['sensitivity: {vocabulary: {pii: 3}}', /"pii" is not a label that is not built in/],
  ['sensitivity: {vocabulary: {__proto__: 3}}', /"__proto__" is not a label/],
  ['sensitivity: {vocabulary: {board: -1}}', /vocabulary\.board: expected a whole number/],
  ['upstreams: {crm: {credential: {}}}', /needs just one of file, command and oauth/],
  ['upstreams: {crm: {credential: {file: ./a, command: [/b]}}}', /needs just one of file, command and oauth/],
  ['upstreams: {crm: {credential: {command: [vault]}}}', /the first word must be an absolute path/],
  ['upstreams: {crm: {credential: {file: ./a, header: Host}}}', /expected a header name/],
  ['upstreams: {crm: {credential: {file: ./a, variable: "A B"}}}', /expected an environment variable name/],
  [
    'upstreams: {crm: {credential: {oauth: {token_url: "ftp://a", client_id: a, client_secret_file: b}}}}',
    /an https URL/,
  ],
  ['egress: {allow: [crm.example]}', /a host with a port/],
  ['approvals: {callback: {url: "http://far.example/x", secret_file: x}}', /callback\.url: expected an https URL/],
  ['approvals: {callback: {url: "https://a.example"}}', /approvals\.callback\.secret_file: missing/],
  ['approvals: {callback: {url: "https://a.example", secret_file: x, name: "a b"}}', /callback\.name: expected a name/],
  [
    'egress: {allow: ["b.example:443"]}\napprovals: {callback: {url: "https://a.example", secret_file: x}}',
    /approvals\.callback\.url: a\.example:443 is not on the list of `egress\.allow`/,
  ],
  ['inspection: {classifier: {url: "http://far.example/x"}}', /https URL without credentials, or http on this machine/],
  ['inspection: {classifier: {url: "https://me:word@far.example"}}', /https URL without credentials/],
  ['inspection: {classifier: {url: "ftp://127.0.0.1/x"}}', /https URL without credentials/],
  [
    'inspection: {classifier: {url: "https://a.example", headers: {Host: b}}}',
    /a header name that the gateway does not/,
  ],
  ['egress: {allow: ["https://crm.example:443"]}', /a host with a port/],
  ['upstreams: {crm: {client_key: ./k.pem}}', /client_certificate and client_key go together/],
  ['upstreams: {crm: {sandbox: {read: [../x]}}}', /upstreams\.crm\.sandbox\.read/],
  ['upstreams: {crm: {sandbox: systemd-run}}', /upstreams\.crm\.sandbox/],
  ['upstreams: {crm: {headers: {Host: x}}}', /"Host" is not a header name/],
  ['upstreams: {crm: {headers: {Mcp-Session-Id: x}}}', /"Mcp-Session-Id" is not a header name/],
  ['upstreams: {crm: {headers: {"X\\r": x}}}', /is not a header name/],
  ['upstreams: {crm: {headers: {X-A: "a\\r\\nb"}}}', /headers\.X-A: expected a header value/],
  ['upstreams: {crm: {env: {"A=B": x}}}', /"A=B" is not an environment variable name/],
  ['upstreams: {crm: {env: {A: "x\\0"}}}', /env\.A: expected text/],
  ['upstreams: {crm: {env: {A: [x]}}}', /env\.A: expected text.* found a list/],
  ['upstreams: {"../x": {}}', /"\.\.\/x" is not a server id/],
  ['compat: cmcp', /compat: expected `none` or `cmcp-0\.4`/],
];

test('a wrong value is refused with its place and what is expected', async () => {
  for (const [text, expected] of wrongValues) assert.match(await refusal(text), expected, text);
});

test('all problems are reported, in the order of the file', async () => {
  const detail = await refusal('mode: x\ncompat: y\nagents:\n  - {subject: a}\n  - {token_sha256: b}\n');
  assert.deepEqual(
    detail.split('\n').map((line) => line.split(': ')[1]),
    ['mode', 'compat', 'agents[0].token_sha256', 'agents[1].subject', 'agents[1].token_sha256'],
  );
});

test('a token pasted where its digest belongs is not repeated in the message [D-07]', async () => {
  const detail = await refusal('agents: [{subject: a, token_sha256: s3cr3t-canary}]\n');
  assert.match(detail, /expected the SHA-256 of the token/);
  assert.ok(!detail.includes('canary'), detail);
});

test('a secret of an upstream is not repeated in a message [D-07]', async () => {
  const environment = readEnvironment({ CMCP_DEV_MODE: '1', T: 'canary\n' });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference under test
  const detail = await refusal('upstreams: {crm: {headers: {X-A: "canary${T}", X-B: "canary$"}}}', environment);
  assert.ok(!detail.includes('canary'), detail);
});

test('control characters of the file cannot reach the terminal', async () => {
  const detail = await refusal('mode: "\\u001b[2J"\n"\\u001b[31mx": 1\n');
  assert.ok(!detail.includes('\u001b'), detail);
});

const notAccepted: [string, RegExp][] = [
  ['mode: enforcing\nmode: advisory\n', /^F:2:1: .*given twice/],
  ['sessions: {idle: 1m, "idle": 2m}', /given twice/],
  ['data: &d ./x\npolicy: *d\n', /^F:2:9: YAML aliases are not accepted/],
  ['mode: !!str enforcing', /YAML tags are not accepted/],
  ['mode: !danger x', /YAML tags are not accepted/],
  ['<<: {mode: advisory}', /<<.*: unknown key/],
  ['mode: enforcing\n---\nmode: advisory\n', /second YAML document/],
  ['? {mode: x}\n: y\n', /a key must be a plain word/],
  ['- mode', /expected the configuration \(keys: cmcp, listen/],
  ['enforcing', /expected the configuration/],
  ['mode: [enforcing\n', /not valid YAML/],
  ['\tmode: enforcing', /not valid YAML/],
];

test('YAML beyond plain mappings, lists and values is refused', async () => {
  for (const [text, expected] of notAccepted) assert.match(await refusal(text), expected, text);
});

test('a file that is absent, a folder, too large or not text is refused', async () => {
  const refuses = (path: string, expected: RegExp) => assert.rejects(readConfig(path, dev), expected);
  await refuses(join(folder, 'absent.yaml'), /CONFIG_INVALID: .*no such file/);
  await refuses(folder, /CONFIG_INVALID: .*not a file/);
  await refuses(await write(`# ${'x'.repeat(262_144)}`), /CONFIG_INVALID: .*larger than/);
  await refuses(await write(new Uint8Array([0x6d, 0xff])), /CONFIG_INVALID: .*UTF-8/);
});

test('deep nesting and long lists of mistakes are answered in bounded form', async () => {
  assert.match(await refusal('['.repeat(60_000)), /not valid YAML/);
  assert.match(await refusal(`policy: ${'['.repeat(40)}${']'.repeat(40)}`), /nested too deeply/);
  const many = await refusal(Array.from({ length: 200 }, (_, index) => `k${index}: 1`).join('\n'));
  assert.equal(many.split('\n').length, 31);
  assert.match(many, /and 170 more$/);
});

test('only loopback addresses are listened on, in dev mode too [D-02] [W-28]', async () => {
  const refused = [
    '0.0.0.0',
    '[::]',
    '[::ffff:0.0.0.0]',
    '',
    'localhost',
    'gateway.example',
    '10.0.0.1',
    '127.1',
    '[::ffff:127.0.0.1]',
    '128.0.0.1',
  ];
  const accepted = ['127.0.0.1', '127.8.8.8', '[::1]'];
  for (const environment of [dev, production]) {
    for (const host of refused) {
      assert.match(
        await refusal(`listen: "${host}:8443"`, environment),
        /^F:1:1: listen: .*not a loopback address.*TLS/,
        host,
      );
    }
  }
  for (const host of accepted) await read(`listen: "${host}:0"`);
});

test('beyond loopback the gateway listens where it has TLS, from files or with a key of its own', async () => {
  const tls = 'tls: { certificate: ./server.pem, key: ./server.key }';
  assert.equal((await read(`listen: 0.0.0.0:8443\n${tls}`)).tls?.kind, 'files');
  assert.deepEqual((await read('listen: 0.0.0.0:8443\ntls: generated')).tls, { kind: 'generated' });
  assert.equal((await read('tls: null')).tls, null);
  assert.match(await refusal('tls: { certificate: ./server.pem }'), /needs certificate and key/);
  assert.match(await refusal('tls: { source: generated, key: ./server.key }'), /takes no files/);
  assert.match(await refusal('tls: { source: generated, client_ca: ./ca.pem }'), /tls\.client_ca: a generated key/);
  assert.match(await refusal('tls: { client_ca: ./ca.pem }'), /needs certificate and key/);
});

test('where a TPM is', async () => {
  const addresses: [string, unknown][] = [
    ['/dev/tpmrm1', { kind: 'device', path: '/dev/tpmrm1' }],
    ['unix:/run/swtpm/sock', { kind: 'unix', path: '/run/swtpm/sock' }],
    ['tcp:[::1]:2321', { kind: 'tcp', host: '::1', port: 2321 }],
  ];
  for (const [text, address] of addresses) {
    const { attestation } = await read(`attestation: { tpm: { address: "${text}" } }`);
    assert.deepEqual(attestation.tpm.address, address);
  }
  for (const text of [
    'tpmrm0',
    'tcp:host',
    'tcp:host:0',
    'tcp:host:70000',
    'unix:relative',
    'udp:host:1',
    'tcp::1:2321',
  ])
    assert.match(await refusal(`attestation: { tpm: { address: "${text}" } }`), /expected a TPM/, text);
});

test('evidence that has a name and is not collected is refused, with the reason', async () => {
  assert.match(await refusal('attestation: opaque'), /attestation\.provider: .*no offline verifier/);
  assert.match(await refusal('attestation: gpu'), /attestation\.provider: .*on top of that of a platform/);
});

test('the sensitivity from which servers are compared for each call is a label of the vocabulary, or none [D-22]', async () => {
  const known = await read('catalog: { recheck_above: board }\nsensitivity: { vocabulary: { board: 2 } }\n');
  assert.equal(known.catalog.recheckAbove, 'board');
  assert.equal((await read('catalog: { recheck_above: null }\n')).catalog.recheckAbove, null);
  const text = 'catalog: { recheck_above: board }\n';
  assert.match(await refusal(text), /^F:1:\d+: catalog\.recheck_above: is not a known label; use one of public,/);
});

test('policy and catalog stay in the folder of the configuration [D-04]', async () => {
  const outside = await mkdtemp(join(tmpdir(), 'cmcp-outside-'));
  try {
    await mkdir(join(folder, 'inside'), { recursive: true });
    await symlink(outside, join(folder, 'link'));
    await symlink(join(folder, 'inside'), join(folder, 'innerlink'));
    // Today it leads inside; whoever owns the folder outside can turn it elsewhere after the check.
    await symlink(join(folder, 'inside'), join(outside, 'back'));
    for (const key of ['policy', 'catalog']) {
      const dots = /expected a path without `\.\.`/;
      for (const path of ['../policy', 'a/../policy', '..', 'a\\\\..\\\\b', 'a\\0b']) {
        assert.match(await refusal(`${key}: "${path}"`), dots, path);
      }
      for (const path of [outside, join(outside, 'back'), 'link', 'link/not-yet', '/etc']) {
        assert.match(await refusal(`${key}: "${path}"`), /leads out of/, path);
      }
      for (const path of ['inside', 'innerlink/x', '..data', join(folder, 'inside')]) await read(`${key}: "${path}"`);
    }
    assert.match(await refusal('data: ../data'), /data: expected a path without/);
    assert.match(await refusal('operator: {socket: ../s.sock}'), /operator\.socket: expected a path without/);
  } finally {
    await rm(outside, { recursive: true, force: true });
  }
});

test('a socket path that the system would cut is refused', async () => {
  assert.match(
    await refusal(`data: ./${'d'.repeat(100)}`),
    /operator\.socket: the path .* has \d+ bytes, and a Unix socket takes 100/,
  );
});

test('the operator API beyond the socket needs TLS, certificates need an authority, and a credential a role', async () => {
  const TLS = 'tls: {certificate: ./a.pem, key: ./a.key}';
  const refused: [string, RegExp][] = [
    ['listen: 127.0.0.1:9443', /operator\.listen: .*TLS only/],
    [TLS, /operator\.tls: without `operator\.listen`/],
    [
      `listen: 127.0.0.1:9443, ${TLS}, certificates: [{certificate: 'DNS:a', subject: a}]`,
      /operator\.certificates: .*client_ca/,
    ],
    [
      `certificates: [{certificate: 'anna', subject: a}]`,
      /certificates\[0\]\.certificate: expected an alternative name/,
    ],
    [
      "oidc: {issuer: 'https://a', resource: 'https://b', groups_claim: g, grants: []}",
      /operator\.oidc: .*operator\.listen/,
    ],
    [
      `listen: 127.0.0.1:9443, ${TLS}, oidc: {issuer: 'https://a', resource: 'https://b', grants: []}`,
      /groups_claim: is missing/,
    ],
    [
      `listen: 127.0.0.1:9443, ${TLS}, oidc: {issuer: 'http://a', resource: 'https://b', groups_claim: g, grants: []}`,
      /operator\.oidc\.issuer: must be https/,
    ],
    [
      `listen: 127.0.0.1:9443, ${TLS}, credentials: [{subject: a/op, token_sha256: ${A}}], oidc: {issuer: 'https://a', resource: 'https://b', groups_claim: g, grants: []}`,
      /operator\.oidc\.subject_prefix: begins the name of `a\/op`/,
    ],
    [`credentials: [{subject: a, token_sha256: ${A}, roles: []}]`, /credentials\[0\]\.roles: names no role/],
    [`credentials: [{subject: a, token_sha256: ${A}, roles: [root]}]`, /expected `viewer` or `approver` or/],
  ];
  for (const [operator, problem] of refused) assert.match(await refusal(`operator: {${operator}}`), problem);
});

test('tokens of one issuer for one audience open one door: agents’ or operators’ [D-51]', async () => {
  const both = (audience: string): string =>
    `identity: {resource: 'https://g/mcp', oauth: [{issuer: 'https://a', audience: x}]}
operator: {listen: 127.0.0.1:9443, tls: {certificate: ./a.pem, key: ./a.key}, oidc: {issuer: 'https://a', audience: ${audience}, resource: 'https://b', groups_claim: g, grants: []}}
`;
  assert.match(await refusal(both('x')), /operator\.oidc\.audience: is that of agents/);
  assert.equal((await read(both('y'))).operator.oidc?.issuer.audience, 'y');
});

test('what an operator may is in the digest over operators; their order and that of their roles is not', async () => {
  const hashWith = async (operator: string): Promise<string> => (await read(`operator: {${operator}}`)).operatorsHash;
  const token = (roles: string): Promise<string> => hashWith(`credentials: [{subject: a, token_sha256: ${A}${roles}}]`);
  const all = await token('');
  assert.equal(await token(', roles: [auditor, operator, approver, viewer]'), all);
  const some = await Promise.all(['', ', roles: [viewer]', ', roles: [viewer, operator]'].map(token));
  assert.equal(await token(', roles: [operator, viewer]'), some[2]);
  const shown = await hashWith(
    `listen: 127.0.0.1:9443, tls: {certificate: ./a.pem, key: ./a.key, client_ca: ./ca.pem}, certificates: [{certificate: 'DNS:a', subject: a}]`,
  );
  assert.equal(new Set([...some, shown]).size, 4);
});

test('a token opens one door only: not two agents, not an agent and an operator [D-51]', async () => {
  const agents = `agents: [{subject: a, token_sha256: ${A}}, {subject: b, token_sha256: ${A}}]`;
  assert.match(await refusal(agents), /agents\[1\]\.token_sha256: the same token as agents\[0\]/);
  const both = `agents: [{subject: a, token_sha256: ${A}}]\noperator: {credentials: [{subject: o, token_sha256: ${A}}]}`;
  assert.match(await refusal(both), /operator\.credentials\[0\]\.token_sha256: the same token as agents\[0\]/);
});

test('outside dev mode policy and catalog must be pinned, the policy by hash or key, and somebody must be able to call [D-08]', async () => {
  const agents = `agents: [{subject: a, token_sha256: ${A}}]\n`;
  const pins = `policy: {hash: ${A}}\ncatalog: {hash: ${B}}\n`;
  assert.match(await refusal(agents, production, 'POLICY_PIN_REQUIRED'), /cmcp check/);
  await refusal(`${agents}policy: {hash: ${A}}`, production, 'CATALOG_PIN_REQUIRED');
  await refusal(pins, production, 'CREDENTIAL_REQUIRED');
  await refusal(`${agents}policy: {key: ${KEY}}`, production, 'CATALOG_PIN_REQUIRED');
  await refusal('', dev, 'CREDENTIAL_REQUIRED');
  assert.equal((await loadConfig(await write(agents + pins), production)).dev, false);
  assert.equal((await loadConfig(await write('stdio: desk'), dev)).stdioSubject, 'desk');
});

test('pins from the environment stand in for those of the file and must agree with them', async () => {
  const pinned = readEnvironment({ CMCP_DEV_MODE: '1', CMCP_POLICY_HASH: A, CMCP_CATALOG_HASH: `sha256:${B}` });
  const config = await read('', pinned);
  assert.equal(config.policy.pin, `sha256:${A}`);
  assert.equal(config.catalog.pin, `sha256:${B}`);
  await read(`policy: {hash: sha256:${A}}`, pinned);
  assert.match(
    await refusal(`policy: {hash: ${B}}`, pinned),
    /policy\.hash: differs from the variable CMCP_POLICY_HASH/,
  );
  const broken = readEnvironment({ CMCP_DEV_MODE: '1', CMCP_CATALOG_HASH: 'latest' });
  assert.match(await refusal('', broken), /CMCP_CATALOG_HASH is not a digest/);
});

test('dev mode is exactly CMCP_DEV_MODE=1, read once [D-03]', () => {
  const source: Record<string, string> = { CMCP_DEV_MODE: '1', X: 'before' };
  const environment = readEnvironment(source);
  source.CMCP_DEV_MODE = '0';
  source.X = 'after';
  assert.equal(environment.dev, true);
  assert.equal(environment.variables.X, 'before');
  for (const value of ['true', '1 ', ' 1', '01', '', 'yes']) {
    assert.equal(readEnvironment({ CMCP_DEV_MODE: value }).dev, false, value);
  }
});

test('references expand in env and headers only, and a missing variable is an error', async () => {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: the references under test
  assert.match(
    await refusal('upstreams: {crm: {env: {A: "${NOT_SET}"}}}'),
    /env\.A: the environment variable NOT_SET is not set/,
  );
  assert.match(await refusal('upstreams: {crm: {env: {A: "$HOME"}}}'), /a dollar sign must start a reference/);
  assert.match(await refusal('upstreams: {crm: {env: {A: "${constructor}"}}}'), /constructor is not set/);
  assert.equal((await read('data: "./${CRM_TOKEN}"')).dataDir, join(folder, '${CRM_TOKEN}'));
  const expanded = await read('upstreams: {crm: {env: {A: "${EMPTY}", B: "$${CRM_TOKEN}", __proto__: "x"}}}');
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: the references under test
  const env = expanded.upstreams.crm?.env ?? {};
  assert.deepEqual(Object.entries(env), [
    ['A', ''],
    ['B', ['$', '{CRM_TOKEN}'].join('')],
    ['__proto__', 'x'],
  ]);
  assert.equal(Object.hasOwn(Object.prototype, 'x'), false);
});

test('the configuration hash covers every setting and no order, and shows no secret', async () => {
  const base = everyKey();
  const same = join(folder, 'hash.yaml');
  const hashes = async (value: unknown, environment = dev): Promise<Config> => {
    await writeFile(same, JSON.stringify(value));
    return readConfig(same, environment);
  };
  const original = await hashes(base);
  assert.equal((await hashes(Object.fromEntries(Object.entries(base).reverse()))).hash, original.hash);
  const seen = new Set([original.hash]);
  // The profile that goes with this mode is the default one.
  const without = Object.keys(base).filter((key) => key !== 'cmcp' && key !== 'conformance_profile');
  for (const key of without) {
    const { [key]: _dropped, identity, ...rest } = base as Record<string, unknown>;
    // Workloads need TLS.
    seen.add((await hashes(key === 'tls' || key === 'identity' ? rest : { ...rest, identity })).hash);
  }
  seen.add((await hashes(base, readEnvironment({ CMCP_DEV_MODE: '1', CRM_TOKEN: 'other' }))).hash);
  seen.add((await hashes(base, readEnvironment({ CRM_TOKEN: 'tok$en' }))).hash);
  assert.equal(seen.size, without.length + 3);
  const { agents: _agents, ...withoutAgents } = base;
  const other = await hashes(withoutAgents);
  assert.notEqual(other.agentsHash, original.agentsHash);
  assert.equal(other.operatorsHash, original.operatorsHash);
  const { identity: _identity, ...withoutWorkloads } = base;
  assert.notEqual((await hashes(withoutWorkloads)).agentsHash, original.agentsHash);
  const elsewhere = structuredClone(base);
  elsewhere.identity.spiffe.trust_domains.ours.bundle = './another/place.json';
  const moved = await hashes(elsewhere);
  assert.notEqual(moved.hash, original.hash);
  assert.deepEqual([moved.agentsHash, moved.portableHash], [original.agentsHash, original.portableHash]);
  elsewhere.identity.spiffe.allowed.push('spiffe://ours/another');
  assert.notEqual((await hashes(elsewhere)).portableHash, original.portableHash);
});

test('an agent is mapped to a whole SPIFFE ID, and a manifest has a path and keys [D-45]', async () => {
  const section = (members: string): Promise<string> =>
    refusal(`agents: [{ subject: a, token_sha256: ${A} }]\nagent_manifest: { ${members} }\n`);
  assert.match(await section('manifests: [./m]'), /agent_manifest\.trust_anchors: missing/);
  assert.match(await section('manifests: [], trust_anchors: ./k'), /agent_manifest\.manifests: names no manifest/);
  assert.match(await section('manifests: [../m], trust_anchors: ./k'), /manifests\[0\]: expected a path without/);
  for (const id of [
    'spiffe://acme',
    'spiffe://acme/../b',
    'spiffe://acme//b',
    'spiffe://Acme/b',
    'https://acme/b',
    'spiffe://acme/b/',
  ])
    assert.match(
      await section(`manifests: [./m], trust_anchors: ./k, authenticated_subjects: { a: '${id}' }`),
      /authenticated_subjects\.a: expected a SPIFFE ID/,
      id,
    );
  const key = await section('manifests: [./m], trust_anchors: ./k, delegation_keys: { ada: short }');
  assert.match(key, /delegation_keys\.ada: expected an Ed25519 public key/);
});

test('whatever the file holds, the answer is a configuration or CONFIG_INVALID', async () => {
  const word = fc.constantFrom(
    'mode',
    'policy',
    'agents',
    'upstreams',
    'enforcing',
    '__proto__',
    '{',
    '}',
    '[',
    ']',
    ':',
    '-',
    '\n',
    '  ',
    '&a',
    '*a',
    '!!x',
    '"',
    "'",
    '#',
    '|',
    '>',
    '---',
    '%YAML 9',
    '?',
    ',',
    '\u0000',
    '\ud800',
    '${',
  );
  const soup = fc.array(word, { maxLength: 40 }).map((words) => words.join(' '));
  const file = await write('');
  const check = async (content: string | Uint8Array): Promise<void> => {
    await writeFile(file, content);
    await readConfig(file, dev).catch((error: unknown) => {
      assert.ok(error instanceof GatewayError && error.code === 'CONFIG_INVALID', String(error));
    });
  };
  await fc.assert(fc.asyncProperty(soup, check), { numRuns: 300 });
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), check), { numRuns: 100 });
  const random = fc
    .json({ maxDepth: 4 })
    .map((json) => `{"policy": ${json}, "agents": ${json}, "upstreams": {"a": ${json}}}`);
  await fc.assert(fc.asyncProperty(random, check), { numRuns: 150 });
});

const quorum = (members: object): string =>
  `catalog: ${JSON.stringify({ approval: { threshold: 1, reviewers: [{ key: KEY, principal: 'ada' }], ...members } })}\n`;

test('a key is known by its thumbprint unless it is named, and two keys of one person count once [D-25]', async () => {
  const { catalog } = await read(quorum({}));
  const [reviewer] = catalog.approval?.reviewers ?? [];
  assert.deepEqual(reviewer, {
    keyId: encodeBase64Url(jwkThumbprint(KEY)),
    key: KEY,
    principal: 'ada',
    issuer: 'local',
    role: null,
  });
  assert.equal(catalog.approval?.distinctPrincipals, true);
});

test('a quorum that nobody can reach, or that one key would fill twice, is refused [D-25]', async () => {
  const two = (a: object, b: object) => [
    { key: KEY, principal: 'ada', ...a },
    { key: OTHER_KEY, principal: 'bob', ...b },
  ];
  const cases: [object, RegExp][] = [
    [{ threshold: 2 }, /threshold: can never be reached: at most 1/],
    [{ threshold: 2, reviewers: two({}, { principal: 'ada' }) }, /at most 1/],
    [{ threshold: 2, reviewers: two({ key_id: 'k' }, {}), revoked: ['k'] }, /at most 1/],
    [{ distinct_roles: true, threshold: 2, reviewers: two({ role: 'a' }, { role: 'a' }) }, /at most 1/],
    [{ distinct_roles: true }, /reviewers\[0\]: needs a `role`/],
    [{ reviewers: two({}, { key: KEY }) }, /reviewers\[1\]: the same key/],
    [{ reviewers: two({ key_id: 'k' }, { key_id: 'k' }) }, /reviewers\[1\]: the same key/],
    [{ threshold: 0 }, /threshold: expected a whole number from 1 to 64/],
    [{ reviewers: [{ key: 'nothing', principal: 'ada' }] }, /key: expected an Ed25519 public key/],
  ];
  for (const [members, expected] of cases) assert.match(await refusal(quorum(members)), expected);
});

test('outside dev mode reviewers stand in for a pin: one of both has to say what is approved [D-08]', async () => {
  const approval = { threshold: 1, reviewers: [{ key: KEY, principal: 'ada' }] };
  const both = { policy: { approval }, catalog: { approval }, stdio: 'desktop' };
  assert.equal((await loadConfig(await write(JSON.stringify(both)), readEnvironment({}))).catalog.pin, null);
  const one = { ...both, catalog: {} };
  assert.match(await refusal(JSON.stringify(one), readEnvironment({}), 'CATALOG_PIN_REQUIRED'), /catalog\.approval/);
});

test('an approver is somebody, has a key where a signature is required, and is committed to whatever the order in the file', async () => {
  const approvers = (said: object): string => JSON.stringify({ approvals: { approvers: { finance: said } } });
  assert.match(await refusal(approvers({ operators: [] })), /approvals\.approvers\.finance\.operators: names nobody/);
  const unsigned = { operators: ['ops'], required_signature: true };
  assert.match(await refusal(approvers(unsigned)), /approvals\.approvers\.finance\.keys: needs a key/);
  const hash = async (said: object): Promise<string> => (await read(approvers(said))).approversHash;
  const one = await hash({ operators: ['ops', 'anna'] });
  assert.equal(await hash({ operators: ['anna', 'ops'] }), one);
  assert.notEqual(await hash({ operators: ['anna'] }), one);
  assert.notEqual(await hash({ operators: ['anna', 'ops'], keys: [KEY] }), one);
});
