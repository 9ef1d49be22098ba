import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import { nativeSchema } from '../../packages/gateway/src/policy/schema.ts';
import { sensitivityRanks } from '../../packages/gateway/src/policy/sensitivity.ts';
import { approvedRecord, promptRecord, templateRecord } from './catalog.ts';
import { cmcpInProcess } from './cli-in-process.ts';
import { COMPAT_MANIFEST, folderOf, NATIVE_MANIFEST, referenceEntry, toolRecord } from './policy.ts';

const TEXT = { type: 'string' };

/** Tools, a template and a prompt; one server of monitoring, one whose tool is sensitive, one that asks. */
export function lintCatalog(): JsonObject {
  const record = approvedRecord({
    tools: [
      toolRecord('read_note', {}, { path: TEXT }),
      toolRecord(
        'send_mail',
        { server: 'web', destination_class: 'external', effects: 'write' },
        { to: { type: ['string', 'array'] }, subject: TEXT, priority: { enum: ['low', 'high'], type: 'string' } },
      ),
      toolRecord('patient', { sensitivity: 'hipaa_phi' }, { id: TEXT }),
      toolRecord('board', { sensitivity: 'board_minutes' }, { year: { type: 'integer' }, page: { type: 'integer' } }),
      toolRecord('report', { server: 'apm', destination_class: 'external' }, { text: TEXT }),
    ],
    resources: [templateRecord('notes', 'note:///{id}')],
    prompts: [promptRecord('summarise')],
    servers: { web: { asks: ['elicit'] } },
  });
  const apm = { id: 'apm', transport: 'streamable-http', url: 'https://mcp.datadoghq.eu/mcp' };
  return { ...record, servers: [...(record.servers as JsonObject[]), apm] };
}

/** The same tools in the form of the reference. */
export function lintReferenceCatalog(): JsonObject[] {
  return [referenceEntry('read_note'), referenceEntry('send_mail')];
}

export interface LintCase {
  /** Files of the bundle, or the text of its only policy file. */
  policy: string | Record<string, string>;
  /** A bundle and a catalog in the form of the reference. */
  compat?: true;
  schema?: string;
  catalog?: JsonObject | JsonObject[];
}

const VOCABULARY = { board_minutes: 2 };
export const LINT_RANKS = sensitivityRanks(VOCABULARY);
const HASH = '0'.repeat(64);
const CONFIG = {
  agents: [
    { subject: 'ops', token_sha256: HASH },
    { subject: 'desk', token_sha256: HASH.replace('0', '1') },
  ],
  sensitivity: { vocabulary: VOCABULARY },
  policy: { path: 'policy' },
  catalog: { path: 'catalog.json' },
};

/** A folder with a configuration, a catalog and a bundle; returns the path of the configuration. */
export async function lintFolder(t: TestContext, { policy, compat, ...given }: LintCase): Promise<string> {
  const catalog = given.catalog ?? (compat ? lintReferenceCatalog() : lintCatalog());
  const files = typeof policy === 'string' ? { 'all.cedar': policy } : policy;
  const folder = await folderOf(t, {
    'cmcp.yaml': stringifyJson(CONFIG),
    'catalog.json': stringifyJson(catalog),
    'policy/manifest.json': JSON.stringify(compat ? COMPAT_MANIFEST : NATIVE_MANIFEST),
    'policy/schema.cedarschema': given.schema ?? (compat ? '// not parsed' : schemaFor(catalog)),
    ...Object.fromEntries(Object.entries(files).map(([path, text]) => [`policy/${path}`, text])),
  });
  return join(folder, 'cmcp.yaml');
}

export function schemaFor(catalog: JsonObject | JsonObject[]): string {
  return nativeSchema(parseCatalog(stringifyJson(catalog), 'catalog.json', LINT_RANKS));
}

/** Runs `cmcp policy lint` in this process. */
export async function lint(t: TestContext, given: LintCase, ...flags: string[]) {
  const config = await lintFolder(t, given);
  return cmcpInProcess(['policy', 'lint', '--config', config, ...flags], join(config, '..'));
}
