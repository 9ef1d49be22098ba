import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readManifestKeys } from '@cmcp/evidence';
import { readConfig, readEnvironment } from '@cmcp/gateway';
import { ed25519Signer } from '../packages/evidence/src/testing/manifest.ts';
import {
  agentOf,
  callTool,
  fitting,
  issue,
  manifestConfig,
  sessionOf,
  writeAnchors,
  writeRevocations,
} from './support/agent-manifests.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { timed } from './support/timed-gateway.ts';

const doc = await readFile(new URL('../docs/agent-manifest.md', import.meta.url), 'utf8');

function block(language: string): string {
  const [, inside] = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(doc) ?? [];
  assert.ok(inside, language);
  return inside;
}

const names = (command: string): string[] => command.match(/\S+\.jsonl?\b/g) ?? [];

test('the configuration and the keys of the page are accepted as they stand', () =>
  withBed({ tools: [] }, async ({ folder }) => {
    await writeFile(join(folder, 'page.yaml'), block('yaml'));
    const { agentManifest } = await readConfig(join(folder, 'page.yaml'), readEnvironment({}));
    assert.deepEqual(agentManifest?.subjects, { research: 'spiffe://example.org/agent/research' });
    assert.equal(agentManifest?.trustAnchors, join(folder, 'manifest-issuers.json'));
    const [key] = readManifestKeys(block('json'), 'the page');
    assert.deepEqual(key?.issuers, ['spiffe://example.org/security']);
  }));

test('the command of the page verifies a session against its manifest, and refuses it once the list revokes that', () =>
  withBed({ tools: [{ name: 'echo' }], config: manifestConfig(['research']) }, async (bed) => {
    const { folder } = bed;
    const signer = await ed25519Signer();
    const [issuer = ''] = /spiffe:\/\/example\.org\/security/.exec(block('cedar')) ?? [];
    await bed.writePolicies({ 'page.cedar': block('cedar') });
    const schema = join(folder, 'policy/schema.cedarschema');
    const declared = 'manifest?: { id: String, issuer: String, "intent_hash"?: String }, platform:';
    await writeFile(schema, (await readFile(schema, 'utf8')).replaceAll('platform:', declared));
    await issue(folder, 'research.json', await fitting(folder, 'research', { more: { issuer } }), signer);
    await writeAnchors(folder, [[signer, [issuer]]]);
    const { gateway, started, url } = await bed.start(timed(new ManualTime()));
    const id = sessionOf(await callTool(agentOf(url, 'research')));
    await gateway.stop();
    const desk = join(folder, 'desk');
    await mkdir(join(desk, 'manifests'), { recursive: true });
    const [session, manifest, keys, list] = names(block('sh')).map((name) => join(desk, name));
    const document = await readFile(join(folder, 'manifests/research.json'));
    await writeFile(session ?? '', await readFile(join(started.sessionsFolder, `${id}.cmcp.json`)));
    await writeFile(manifest ?? '', document);
    await writeFile(keys ?? '', await readFile(join(folder, 'issuers.json')));
    await writeFile(list ?? '', '');
    const pins = ['--policy-hash', started.policyHash, '--catalog-hash', started.catalogHash, '--accept-software'];
    const command = block('sh').trim().split(' ').slice(1);
    const absolute = command.map((word) => (names(word).length === 0 ? word : join(desk, word)));
    const run = () => cmcpInProcess([...absolute, ...pins, '--key', started.keyFile], folder);
    const good = await run();
    assert.equal(good.code, 0, good.stdout);
    const { manifest_id: manifestId } = JSON.parse(document.toString()) as { manifest_id: string };
    await writeRevocations(folder, [manifestId], signer);
    await writeFile(list ?? '', await readFile(join(folder, 'revoked.jsonl')));
    const revoked = await run();
    assert.equal(revoked.code, 1);
    assert.match(revoked.stdout, /revoked at 2026-01-01T00:00:00Z/);
  }));
