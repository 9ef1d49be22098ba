import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Environment, initialise } from '@cmcp/gateway';

/** A server as the configuration of an MCP client names it. */
export type NamedServer = { readonly url: string } | { readonly command: string; readonly args: readonly string[] };

/** What a person approves besides what the server lists. */
export interface ByHand {
  /** A template for resources that results carry and that the server never lists. */
  readonly carried?: string;
  /** From where a page may call. */
  readonly origins: readonly string[];
}

/** A configuration that starts, and the credential of its agent. */
export interface Approved {
  readonly config: string;
  readonly token: string;
}

const SERVER = 'suite';
const POLICY = 'permit (principal, action, resource);\n';

/** As a person would: `cmcp init` with what the server offers, then all that it may ask, and a policy that allows everything. */
export async function approve(
  folder: string,
  server: NamedServer,
  byHand: ByHand,
  environment: Environment,
): Promise<Approved> {
  const from = join(folder, 'client.json');
  await writeFile(from, JSON.stringify({ mcpServers: { [SERVER]: server } }));
  const out = join(folder, 'gateway');
  const { config, agent, leftOut } = await initialise({ from, out, listen: '127.0.0.1:0', force: false }, environment);
  if (config === null || agent === null) throw new Error(`nothing to approve: ${JSON.stringify(leftOut)}`);
  await approveMore(join(out, 'catalog.json'), byHand.carried);
  await allowAll(join(out, 'policy'));
  await writeFile(config, `\nallowed_origins: ${JSON.stringify(byHand.origins)}\n`, { flag: 'a' });
  return { config, token: agent.token };
}

async function approveMore(file: string, uriTemplate?: string): Promise<void> {
  const catalog = JSON.parse(await readFile(file, 'utf8'));
  for (const server of catalog.servers) server.asks = ['elicit', 'sample', 'list_roots'];
  if (uriTemplate !== undefined) {
    const definition = { uriTemplate, name: 'carried' };
    const labels = { sensitivity: 'public', destination_class: 'external' };
    catalog.resources.push({ name: 'carried', server: SERVER, uri_template: uriTemplate, definition, ...labels });
  }
  await writeFile(file, JSON.stringify(catalog));
}

/** The schema and the manifest stay as they were written. */
async function allowAll(policy: string): Promise<void> {
  const rules = (await readdir(policy)).filter((name) => name.endsWith('.cedar'));
  await Promise.all(rules.map((name) => rm(join(policy, name))));
  await writeFile(join(policy, 'all.cedar'), POLICY);
}
