import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Environment, readEnvironment } from './environment.ts';
import { readConfig, readConfigWithoutSecrets } from './load.ts';
import type { Config } from './types.ts';

const made: string[] = [];
after(() => Promise.all(made.map((folder) => rm(folder, { recursive: true, force: true }))));

const production = readEnvironment({});
const A = 'a'.repeat(64);
const QUORUM = '{ threshold: 1, reviewers: [{ key: FR6KmhOJo3HcvtaAuj_J8d1zujqW0_KSL6yRREsq7Fo, principal: ada }] }';

/** Reads `text` as the cmcp.yaml of a folder of its own. */
async function read(text: string, environment: Environment = production, how = readConfig): Promise<Config> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-portable-'));
  made.push(folder);
  await writeFile(join(folder, 'cmcp.yaml'), text);
  return how(join(folder, 'cmcp.yaml'), environment);
}

const hashOf = async (text: string, environment?: Environment): Promise<string> =>
  (await read(text, environment)).portableHash;

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: references as a configuration writes them
const SECRETS = 'upstreams: { crm: { env: { TOKEN: "${CRM}" }, headers: { Authorization: "Bearer ${CRM}" } } }\n';

test('the portable hash is that of the file: the same on another machine, in another folder and with another secret', async () => {
  const [one, other] = [readEnvironment({ CRM: 'one' }), readEnvironment({ CRM: 'other' })];
  const first = await read(SECRETS, one);
  const second = await read(SECRETS, other);
  assert.equal(second.portableHash, first.portableHash);
  assert.notEqual(second.hash, first.hash, 'sessions commit to the secret that was in force');
  assert.equal((await read(SECRETS, production, readConfigWithoutSecrets)).portableHash, first.portableHash);
  await assert.rejects(read(SECRETS, production), { code: 'CONFIG_INVALID' });
});

test('paths and pins do not enter it: what policy and catalog hold is measured', async () => {
  const plain = await hashOf('');
  for (const text of [
    'data: /var/lib/cmcp\n',
    `policy: { path: ./other, hash: ${A} }\ncatalog: { path: ./other.json, hash: ${A} }\n`,
    'operator: { socket: /run/cmcp/op.sock }\n',
    'attestation: { collateral: /etc/c, tpm: { event_log: /tmp/log, address: /dev/tpm0 } }\n',
    '# a comment\ncmcp: 1\n',
  ])
    assert.equal(await hashOf(text), plain, text);
  assert.equal(await hashOf('', readEnvironment({ CMCP_POLICY_HASH: A })), plain);
});

test('every setting that decides what the gateway does enters it', async () => {
  const texts = [
    '',
    'listen: 127.0.0.1:9000\n',
    'allowed_hosts: [gateway.example]\n',
    'allowed_origins: ["https://app.example"]\n',
    'mode: advisory\n',
    'limits: { rates: [{ per: caller, calls: 1, window: 1m }] }\n',
    'limits: { rates: [{ per: caller, calls: 2, window: 1m }] }\n',
    'stop: { deny_rate: {} }\n',
    'stop: { drift: 1 }\n',
    'catalog: { recheck: 5m }\n',
    'catalog: { recheck_above: null }\n',
    `record: { decisions: { to: ./recordings, key: ${A.slice(0, 43).replace(/.$/, 'A')} } }\n`,
    `policy: { key: 2-CcRAxMTsaz6SIWczUXVLU5IVgtxSBEr73ns0u2iKg }\n`,
    `agents: [{ subject: a, token_sha256: ${A} }]\n`,
    `operator: { credentials: [{ subject: a, token_sha256: ${A} }] }\n`,
    `operator: { credentials: [{ subject: a, token_sha256: ${A}, roles: [viewer] }] }\n`,
    'operator: { listen: 127.0.0.1:9443, tls: { certificate: ./a.pem, key: ./a.key } }\n',
    'operator: { listen: 127.0.0.1:9443, tls: { certificate: ./a.pem, key: ./a.key, client_ca: ./ca.pem } }\n',
    'stdio: desktop\n',
    `policy: { approval: ${QUORUM} }\n`,
    `catalog: { approval: ${QUORUM} }\n`,
    'tls: generated\n',
    'tls: { certificate: ./a.pem, key: ./a.key }\n',
    'tls: { certificate: ./a.pem, key: ./a.key, client_ca: ./ca.pem }\n',
    'attestation: tpm\n',
    'attestation: { roots: [./root.pem] }\n',
    'attestation: { validity: 2h }\n',
    'attestation: { staleness: warn_only }\n',
    'attestation: { launch: ML1 }\n',
    'attestation: { tpm: { address: "tcp:127.0.0.1:2321" } }\n',
    'attestation: { tpm: { ak_certificate: ./ak.pem } }\n',
    'attestation: { tpm: { seal: [0, 7] } }\n',
    'attestation: { tpm: { rollback_counter: true } }\n',
    'audit: { durability: batched }\n',
    'sessions: { max_open: 7 }\n',
    'limits: { depth: 32 }\n',
    'sensitivity: { vocabulary: { board: 2 } }\n',
    'upstreams: { crm: { timeout: 5s } }\n',
    'upstreams: { crm: { env: { A: "one" } } }\n',
    'upstreams: { crm: { env: { A: "two" } } }\n',
    'upstreams: { crm: { env: { A: "${CRM}" } } }\n',
    'upstreams: { crm: { env: { A: "$${CRM}" } } }\n',
    'upstreams: { crm: { headers: { A: "one" } } }\n',
    'upstreams: { crm: { credential: { file: ./a } } }\n',
    'upstreams: { crm: { credential: { file: ./a, scheme: "" } } }\n',
    'upstreams: { crm: { credential: { command: [/a] } } }\n',
    'upstreams: { crm: { credential: { oauth: { token_url: "https://a/t", client_id: a, client_secret_file: ./a } } } }\n',
    `upstreams: { crm: { receipts: { keys: [${'A'.repeat(43)}] } } }\n`,
    'upstreams: { crm: { receipts: { required: true } } }\n',
    'inspection: { quarantine: { max_items: 7 } }\n',
    'inspection: { classifier: { url: "https://a/c" } }\n',
    'inspection: { classifier: { url: "https://a/c", headers: { A: "${CRM}" } } }\n',
    'approvals: { callback: { url: "https://a/c", secret_file: ./a } }\n',
    'approvals: { callback: { url: "https://a/c", secret_file: ./a, send_arguments: true } }\n',
    'egress: { allow: ["a:443"] }\n',
    'agent_manifest: { manifests: [./m], trust_anchors: ./k }\n',
    'agent_manifest: { manifests: [./m], trust_anchors: ./k, revocations: ./r }\n',
    'agent_manifest: { manifests: [./m], trust_anchors: ./k, authenticated_subjects: { a: "spiffe://b/c" } }\n',
    'agent_manifest: { manifests: [./m], trust_anchors: ./k }\nconformance_profile: aarm\n',
    'compat: cmcp-0.4\n',
  ];
  const environment = readEnvironment({ CRM: 'one' });
  const hashes = await Promise.all(texts.map((text) => hashOf(text, environment)));
  const dev = await hashOf('', readEnvironment({ CMCP_DEV_MODE: '1' }));
  assert.equal(new Set([...hashes, dev]).size, texts.length + 1);
});
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: references as a configuration writes them
