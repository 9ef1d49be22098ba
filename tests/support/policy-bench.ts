import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { nativeSchema } from '../../packages/gateway/src/policy/schema.ts';
import { type Approved, approvedRecord, catalogWith } from './catalog.ts';
import type { Ran } from './cli.ts';
import { cmcpInProcess } from './cli-in-process.ts';
import { folderOf, NATIVE_MANIFEST } from './policy.ts';

/** What lies in front of whoever writes a policy: a configuration, a catalog and bundles. */
export interface Bench {
  folder: string;
  /** Writes a bundle: these files, and where they are lacking the manifest and the schema of the catalog. Returns its folder. */
  bundle(name: string, files: Record<string, string>): Promise<string>;
  /** Runs `cmcp policy …` with the configuration. */
  policy(...args: string[]): Promise<Ran>;
  /** The same with --json, and what it printed. */
  json(...args: string[]): Promise<Ran & { report: JsonObject }>;
}

/** The configured bundle is `policy`. */
export async function policyBench(t: TestContext, approved: Approved, files: Record<string, string>): Promise<Bench> {
  const folder = await folderOf(t, {
    'cmcp.yaml': 'cmcp: 1\npolicy:\n  path: ./policy\ncatalog:\n  path: ./catalog.json\n',
    'catalog.json': stringifyJson(approvedRecord(approved)),
  });
  const config = join(folder, 'cmcp.yaml');
  const schema = nativeSchema(catalogWith(approved));
  const policy = (...args: string[]): Promise<Ran> => cmcpInProcess(['policy', ...args, '--config', config], folder);
  const bench: Bench = {
    folder,
    policy,
    async bundle(name, own) {
      const all = { 'manifest.json': JSON.stringify(NATIVE_MANIFEST), 'schema.cedarschema': schema, ...own };
      for (const [path, text] of Object.entries(all)) {
        const file = join(folder, name, path);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, text);
      }
      return join(folder, name);
    },
    async json(...args) {
      const ran = await policy(...args, '--json');
      return { ...ran, report: ran.stdout === '' ? {} : JSON.parse(ran.stdout) };
    },
  };
  await bench.bundle('policy', files);
  return bench;
}
