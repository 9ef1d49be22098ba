import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig, readEnvironment } from '@cmcp/gateway';

const pageOf = (name: string): Promise<string> => readFile(new URL(`../docs/${name}`, import.meta.url), 'utf8');

test('the settings on docs/credentials.md and docs/catalog.md are ones that a gateway starts with', async (t) => {
  const page = (await pageOf('credentials.md')) + (await pageOf('catalog.md')).replace(/^\|.*$/gm, '');
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-doc-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // Approvals have names in the place of keys; tests/catalog-doc.test.ts runs that block.
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)]
    .map(([, text = '']) => text)
    .filter((text) => !text.includes('KEY-OF-'));
  const rows = [...page.matchAll(/^\| .* \| `(.*?)`.* \|$/gm)].map(([, setting = '']) =>
    setting.replaceAll('…', 'https://a'),
  );
  assert.ok(blocks.length >= 3 && rows.length >= 4);
  const texts = [...blocks, ...rows.map((setting) => `upstreams: { crm: { ${setting} } }\n`)];
  for (const text of texts) {
    const file = join(folder, 'cmcp.yaml');
    await writeFile(file, text);
    await readConfig(file, readEnvironment({ CMCP_DEV_MODE: '1', CRM_TOKEN: 'x' }));
  }
});

test('the settings on docs/spiffe.md are ones that a gateway reads', async (t) => {
  const page = await pageOf('spiffe.md');
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-doc-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text);
  const rows = [...page.matchAll(/^\| .* \| `(trust_domains: .*)` \|$/gm)].map(([, setting = '']) =>
    setting.replace('` and `', ', '),
  );
  assert.deepEqual([blocks.length, rows.length], [1, 3]);
  const allowed = 'allowed: ["spiffe://example.org/a"]';
  const texts = [...blocks, ...rows.map((row) => `tls: generated\nidentity: { spiffe: { ${row}, ${allowed} } }\n`)];
  for (const text of texts) {
    const file = join(folder, 'cmcp.yaml');
    await writeFile(file, text);
    const { identity } = await readConfig(file, readEnvironment({ CMCP_DEV_MODE: '1' }));
    assert.ok(identity.spiffe !== null, text);
  }
});
