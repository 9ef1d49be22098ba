import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  approversDigest,
  encodeBase64Url,
  encodeHex,
  type JsonObject,
  readApprovers,
  type SessionFile,
  stringifyJson,
} from '@cmcp/evidence';
import { hop } from '../../../tests/support/agent-manifests.ts';
import { cmcpInProcess } from '../../../tests/support/cli-in-process.ts';
import { toolCatalogHash } from '../../evidence/src/provenance/tool-catalog.ts';
import { controllerKeyId } from '../../evidence/src/receipts/external.ts';
import { approvedSession, type Step } from '../../evidence/src/testing/escalation.ts';
import { keySet, makeToken } from '../../evidence/src/testing/gpu.ts';
import { CLAIM_SECONDS, gpuChallengeOf, snpSession, tpmSession } from '../../evidence/src/testing/hardware-session.ts';
import { ed25519Signer, ISSUER, jsonBytes, signJson, wholeManifest } from '../../evidence/src/testing/manifest.ts';
import { newKeyPair } from '../../evidence/src/testing/pki.ts';
import {
  CATALOG_HASH,
  type EventSpec,
  makeSession,
  newKey,
  POLICY_HASH,
  seal,
} from '../../evidence/src/testing/session.ts';
import { signJcs, signSorted } from '../../evidence/src/testing/signed.ts';
import { RECORD_POLICY, signedRecord } from '../../evidence/src/testing/trust-record.ts';

const EVENTS: EventSpec[] = [{ kind: 'allow', tool: 'read', domain: 'internal', dataClass: 'pii' }];
const SOFTWARE = ['--accept-software', '--unpinned-policy', '--unpinned-catalog'];
const PINS = ['--policy-hash', POLICY_HASH, '--catalog-hash', CATALOG_HASH];
const AT = (seconds: number): string => new Date(seconds * 1000).toISOString();
const key = await newKey();

let folder = '';
let session = '';
let file: SessionFile;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-options-'));
  file = await makeSession(key, EVENTS);
  session = await write('session.cmcp.json', stringifyJson(file));
  await write('key', key.x);
});
after(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const cmcp = (...args: string[]) => cmcpInProcess(['verify', ...args], folder);
const software = (...more: string[]) => cmcp(session, '--key', join(folder, 'key'), ...SOFTWARE, ...more);

test('values that are none are refused as a wrong command line, and nothing is verified', async () => {
  const wrong: [string[], RegExp][] = [
    [['--policy-hash', 'sha256:00'], /--policy-hash takes sha256: and 64 lower-case/],
    [['--policy-hash', POLICY_HASH.toUpperCase()], /--policy-hash takes/],
    [['--catalog-hash', `${CATALOG_HASH}0`], /--catalog-hash takes/],
    [['--policy-hash', POLICY_HASH, '--policy', folder], /give --policy-hash or --policy, not both/],
    [['--max-age', '1.5'], /--max-age takes a whole number of seconds/],
    [['--max-age=-1'], /--max-age takes/],
    [['--max-age', '010'], /--max-age takes/],
    [['--at', 'noon'], /--at takes an RFC 3339 time/],
    [['--allow-mode', 'enforcing'], /--allow-mode takes advisory or silent/],
    [['--level', '3'], /--level takes 0, 1 or 2/],
    [['--provenance-kind', 'guessed'], /--provenance-kind takes one of/],
  ];
  for (const [args, said] of wrong) {
    const { code, stdout, stderr } = await cmcp(session, ...args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, said);
  }
  assert.match((await cmcp()).stderr, /name at least one session file/);
});

test('files that do not hold what their flag says are refused by name', async () => {
  const noise = await write('noise', '{');
  const number = await write('number', '5');
  const wrong: [string[], RegExp][] = [
    [['--catalog', noise], /noise is not strict JSON/],
    [['--catalog', number], /number is not a catalog: neither a list nor an object/],
    [['--receipt', noise], /noise is not strict JSON/],
    [['--receipt', number], /number holds no receipt/],
    [['--tools', noise], /noise is not strict JSON/],
    [['--tools', number], /number holds no list of tools/],
    [['--controller-key', number], /number/],
    [['--approver-key', number], /number holds no Ed25519 public key/],
    [['--approvers', number], /number: the file of approvers is not a JSON object/],
    [['--manifest-keys', number], /number/],
    [['--manifest-revocations', number], /revocation list/],
    [['--revocation-bundle', number, '--revocation-key', number], /number holds no public key/],
    [['--evidence-policy', number], /number: /],
    [['--gpu-service-keys', join(folder, 'absent')], /absent does not exist/],
  ];
  for (const [args, said] of wrong) {
    const { code, stdout, stderr } = await cmcp(session, ...args);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /internal error/);
  }
  await mkdir(join(folder, 'inside'));
  assert.match((await cmcp(join(folder, 'inside'))).stderr, /inside is not a file/);
  const large = await write('large', '');
  await truncate(large, 536_870_913);
  assert.match((await cmcp(large)).stderr, /large is larger than 536870912 bytes/);
});

test('a receipt that a caller kept is looked for in the record', async () => {
  const call_id = file.bundle.entries[1]?.call_id ?? '';
  const session_id = file.claim.gateway.session_id;
  const kept = await write('receipt', JSON.stringify({ 'io.cmcp/call': { call_id, session_id } }));
  assert.equal((await software('--receipt', kept)).code, 0);
  const stray = await write('stray', JSON.stringify({ call_id: crypto.randomUUID(), session_id }));
  const { code, stdout } = await software('--receipt', kept, '--receipt', stray);
  assert.equal(code, 1);
  assert.match(stdout, /REFUSED/);
});

test('age is judged by the clock that is given, and only when it is asked about', async () => {
  assert.equal((await software()).code, 0);
  assert.equal((await software('--at', AT(CLAIM_SECONDS + 10))).code, 0);
  assert.equal((await software('--max-age', '60', '--at', AT(CLAIM_SECONDS + 10))).code, 0);
  assert.equal((await software('--max-age', '60', '--at', AT(CLAIM_SECONDS + 600))).code, 1);
  assert.equal((await software('--at', AT(CLAIM_SECONDS + 200_000))).code, 1, 'a day, when only the time is given');
  const distance = Math.abs(Date.now() / 1000 - CLAIM_SECONDS);
  assert.equal((await software('--max-age', '1')).code, distance > 10 ? 1 : 0, 'by the clock of this machine');
});

for (const [mode, other] of [
  ['advisory', 'silent'],
  ['silent', 'advisory'],
] as const) {
  test(`--allow-mode accepts a session in ${mode} mode, by name`, async () => {
    const loose = structuredClone(file);
    loose.claim.trace.policy.enforcement_mode = mode;
    const detail = loose.bundle.entries[0]?.detail;
    if (detail) detail.mode = mode;
    await seal(loose, key);
    const asked = [await write(mode, stringifyJson(loose)), '--key', join(folder, 'key'), ...SOFTWARE];
    const plain = await cmcp(...asked);
    assert.equal(plain.code, 1);
    assert.match(plain.stdout, new RegExp(`--allow-mode ${mode}`));
    assert.equal((await cmcp(...asked, '--allow-mode', other)).code, 1);
    const { code, stdout } = await cmcp(...asked, '--allow-mode', mode);
    assert.equal(code, 0, stdout);
    assert.match(stdout, new RegExp(`VERIFIED WITH .*--allow-mode ${mode}`));
  });
}

test('--controller-key is the key under which receipts of controllers are checked', async () => {
  const controller = await newKey();
  const copy = structuredClone(file);
  const entry = copy.bundle.entries[1];
  if (entry !== undefined)
    entry.external_execution_evidence = await signSorted(
      {
        issuer: 'arm-1',
        issuer_key_id: controllerKeyId(controller.x),
        evidence_hash: POLICY_HASH,
        evidence_type: 'controller-execution-receipt/v1',
        linked_call_id: entry.call_id ?? '',
      },
      controller,
    );
  await seal(copy, key);
  const path = await write('controlled', stringifyJson(copy));
  const outcome = async (...more: string[]) => {
    const { stdout } = await cmcp(path, '--key', join(folder, 'key'), ...SOFTWARE, '--json', ...more);
    const checks: { id: string; outcome: string }[] = JSON.parse(stdout).files[0].checks;
    return checks.find(({ id }) => id === 'controller.signature')?.outcome;
  };
  assert.equal(await outcome(), 'not checked');
  assert.equal(await outcome('--controller-key', await write('controller', controller.x)), 'proven');
});

test('--approver-key and --approvers say who may approve calls, and the report follows each approval [AARM-R4]', async () => {
  const anna = await newKey();
  const list = JSON.stringify({ finance: { operators: ['anna'] } });
  const commitments = { approvers_hash: approversDigest(readApprovers(list)) };
  const steps: Step[] = [['requested'], ['granted'], ['used']];
  const path = await write('signed', stringifyJson(await approvedSession(key, { steps, commitments }, anna)));
  const given = ['--key', join(folder, 'key'), ...SOFTWARE];
  const plain = await cmcp(path, ...given);
  assert.equal(plain.code, 0, plain.stdout);
  assert.match(plain.stdout, /Who let call \S+ of pay through\? asked for \(entry 1\), granted by anna as finance/);
  const pinned = ['--approver-key', await write('anna', anna.x), '--approvers', await write('approvers.json', list)];
  const proven = await cmcp(path, ...given, ...pinned, '--json');
  assert.equal(proven.code, 0, proven.stdout);
  const checks: { id: string; outcome: string }[] = JSON.parse(proven.stdout).files[0].checks;
  const about = checks.filter(({ id }) => id.startsWith('approvals.')).map(({ id, outcome }) => [id, outcome]);
  const ids = ['approvals.chain', 'approvals.approvers', 'approvals.call.1'];
  assert.deepEqual(
    about,
    ids.map((id) => [id, 'proven']),
  );
  const unsigned = await write('unsigned', stringifyJson(await approvedSession(key, { steps, commitments })));
  const { code, stdout } = await cmcp(unsigned, ...given, ...pinned);
  assert.equal(code, 1);
  assert.match(stdout, /CONSISTENT, NOT VERIFIED/);
});

test('--gpu-service-keys are the keys under which the answer about a GPU is checked', async () => {
  const { file: snp, root, measurement } = await snpSession(key, EVENTS);
  const service = await newKeyPair('p384');
  const token = await makeToken(service, { nonce: encodeHex(gpuChallengeOf(snp)), iat: CLAIM_SECONDS - 1 });
  snp.evidence.push({ role: 'nvidia/eat', media_type: 'x', data: Buffer.from(token).toString('base64') });
  const asked = [await write('gpu', stringifyJson(snp)), '--measurement', measurement, ...PINS];
  asked.push('--root', await write('root', root.certificate ?? ''), '--accept-operator-root');
  const without = await cmcp(...asked);
  assert.equal(without.code, 1);
  assert.match(without.stdout, /LACKING[\s\S]*--gpu-service-keys FILE/);
  const { code, stdout } = await cmcp(...asked, '--gpu-service-keys', await write('jwks', keySet(service)));
  assert.equal(code, 0, stdout);
});

test('--accept-software-tpm accepts what calls itself a software TPM', async () => {
  const {
    file: swtpm,
    root,
    measurement,
  } = await tpmSession(key, EVENTS, {
    device: { manufacturer: 'id:00001014', model: 'swtpm' },
  });
  const asked = [await write('swtpm', stringifyJson(swtpm)), ...PINS];
  const rooted = [...asked, '--measurement', measurement];
  const trust = ['--trust', await write('tpm-root', root.certificate ?? '')];
  assert.equal((await cmcp(...rooted, ...trust)).code, 1);
  assert.equal((await cmcp(...rooted, '--accept-software-tpm')).code, 1);
  assert.equal((await cmcp(...asked, ...trust, '--accept-software-tpm')).code, 1);
  const { code, stdout } = await cmcp(...rooted, ...trust, '--accept-software-tpm');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /software TPM/);
});

test('one file that is not verified is enough, whatever the others are', async () => {
  const { code, stdout } = await software(await write('broken', '{}'), '--json');
  assert.equal(code, 1);
  const { verified, files } = JSON.parse(stdout);
  assert.deepEqual([verified, files.map((each: JsonObject) => each.verdict)], [false, ['verified', 'refused']]);
});

test('a Trust Record is asked for its nonce and level, and keys that merely ran here are none of its publisher', async () => {
  const { key: signer, signed } = await signedRecord();
  const record = await write('record', stringifyJson(signed));
  const at = ['--at', AT(1_790_000_000), '--policy-hash', RECORD_POLICY, '--accept-software'];
  const asked = [record, '--key', await write('record.key', signer.x), ...at];
  assert.equal((await cmcp(...asked)).code, 0);
  assert.equal((await cmcp(...asked, '--challenge', 'bm9uY2U')).code, 0);
  assert.match((await cmcp(...asked, '--challenge', encodeBase64Url(Uint8Array.of(1)))).stdout, /REFUSED/);
  assert.equal((await cmcp(...asked, '--level', '0')).code, 0);
  assert.equal((await cmcp(...asked, '--level', '1')).code, 1);
  await mkdir(join(folder, 'cmcp'), { recursive: true });
  await writeFile(join(folder, 'cmcp', 'known_keys'), `${signer.x} there\n`);
  const known = await cmcp(record, ...at);
  await rm(join(folder, 'cmcp', 'known_keys'));
  assert.equal(known.code, 1);
});

test('a provenance record is held against the tools that the server lists, and its kind against the weakest accepted', async () => {
  const tools = [{ name: 'search', description: 'Finds.', inputSchema: { type: 'object' } }];
  const unsigned: JsonObject = {
    format: 'agentrust-io/mcp-server-provenance/1',
    kind: 'publisher-asserted',
    issued_at: 1_790_000_000,
    identity: { endpoint: { url: 'https://tools.example/mcp', spki_sha256: `sha256:${'0'.repeat(64)}` } },
    publisher: 'did:web:acme.example',
    tool_catalog: { hash: toolCatalogHash(tools), tool_count: 1 },
    attestation: null,
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: key.x } },
  };
  const record = await write('provenance', stringifyJson(await signJcs(unsigned, key)));
  const asked = [record, '--key', join(folder, 'key'), '--at', AT(1_790_000_000)];
  assert.match((await cmcp(...asked)).stdout, /CONSISTENT, NOT VERIFIED/);
  for (const listing of [tools, { tools }, { jsonrpc: '2.0', id: 1, result: { tools } }]) {
    const { code, stdout } = await cmcp(...asked, '--tools', await write('tools', JSON.stringify(listing)));
    assert.equal(code, 0, stdout);
  }
  const other = await write('other', JSON.stringify([{ ...tools[0], name: 'delete' }]));
  assert.match((await cmcp(...asked, '--tools', other)).stdout, /REFUSED/);
  const weak = await cmcp(...asked, '--tools', join(folder, 'tools'), '--provenance-kind', 'tee-attested');
  assert.match(weak.stdout, /REFUSED/);
});

test('an Agent Manifest is verified under --manifest-keys, unless --manifest-revocations lists it', async () => {
  const signer = await ed25519Signer();
  const plain = wholeManifest();
  const manifest = await write('manifest', jsonBytes(await signJson(plain, signer)));
  const keys = await write('keys', JSON.stringify({ public_key_base64url: encodeBase64Url(signer.key.key) }));
  const asked = [manifest, '--at', AT(1_790_000_000)];
  assert.equal((await cmcp(...asked)).code, 1);
  const { code, stdout } = await cmcp(...asked, '--manifest-keys', keys);
  assert.equal(code, 0, stdout);
  const revoked = {
    manifest_id: String(plain.manifest_id),
    revoked_at: AT(1_780_000_000),
    reason: 'key_compromise',
    revoked_by: 'spiffe://trust.example/signing-authority',
  };
  const list = await write('revoked', `${JSON.stringify(revoked)}\n`);
  const withList = await cmcp(...asked, '--manifest-keys', keys, '--manifest-revocations', list);
  assert.equal(withList.code, 1, withList.stdout);
  assert.match(withList.stdout, /the list revokes it/);
});

test('delegations in a manifest are held against --delegation-key, by the name of each principal', async () => {
  const [signer, delegate] = [await ed25519Signer(), await ed25519Signer()];
  const hops = [await hop(String(wholeManifest().manifest_id), 0, [ISSUER, delegate], { tools: ['echo'] })];
  const manifest = await write(
    'delegated',
    jsonBytes(await signJson(wholeManifest({ delegation_chain: hops }), signer)),
  );
  const keys = await write('keys', JSON.stringify({ public_key_base64url: encodeBase64Url(signer.key.key) }));
  const asked = [manifest, '--at', AT(1_790_000_000), '--manifest-keys', keys];
  const keyOf = ({ key }: typeof signer): string => `${ISSUER}=${encodeBase64Url(key.key)}`;
  const none = await cmcp(...asked);
  assert.equal(none.code, 1);
  assert.match(none.stdout, /no keys of delegating principals were given/);
  const right = await cmcp(...asked, '--delegation-key', keyOf(delegate));
  assert.equal(right.code, 0, right.stdout);
  assert.match((await cmcp(...asked, '--delegation-key', keyOf(signer))).stdout, /delegation 0 is not signed by/);
  for (const wrong of ['x', '=x', `${ISSUER}=short`])
    assert.match((await cmcp(...asked, '--delegation-key', wrong)).stderr, /is not PRINCIPAL=KEY/);
});
