import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Target } from './load.ts';
import { startNode, stop } from './processes.ts';

const CLI = fileURLToPath(new URL('../../packages/cli/bin/cmcp.js', import.meta.url));
const TOKEN = 'benchmark';

/** A gateway process, built and started like anybody's, with the handshake done. */
export interface BenchGateway {
  target: Target;
  stop: () => Promise<void>;
}

/** Starts a gateway in front of `upstream` with one permit, and opens a session on it. */
export async function startGateway(
  name: string,
  upstream: string,
  setting: { durability: 'strict' | 'batched'; effects: 'read' | 'write' },
): Promise<BenchGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-bench-'));
  await writeFiles(folder, upstream, setting);
  const started = await startNode(
    [CLI, 'start', '--json', '--config', join(folder, 'cmcp.yaml')],
    /"event":"started"/,
    {
      CMCP_DEV_MODE: '1',
      XDG_CONFIG_HOME: folder,
    },
  );
  const { url } = JSON.parse(started.line) as { url: string };
  return {
    target: { name, url, headers: await openSession(url) },
    stop: async () => {
      await stop(started);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeFiles(
  folder: string,
  upstream: string,
  setting: { durability: string; effects: string },
): Promise<void> {
  await mkdir(join(folder, 'policy'));
  const tokenHash = createHash('sha256').update(TOKEN).digest('hex');
  const config = [
    'listen: 127.0.0.1:0',
    `audit: { durability: ${setting.durability} }`,
    `agents: [{ subject: bench, token_sha256: ${tokenHash} }]`,
  ];
  const manifest = {
    version: '1.0.0',
    authored_at: '2026-01-01T00:00:00Z',
    author_identity: 'bench',
    commit_sha: 'none',
  };
  const catalog = {
    catalog: 1,
    servers: [{ id: 'echo', transport: 'streamable-http', url: upstream }],
    tools: [
      {
        name: 'echo',
        server: 'echo',
        definition: { name: 'echo', description: 'Answers 1 KB', inputSchema: { type: 'object' } },
        effects: setting.effects,
        sensitivity: 'public',
        destination_class: 'internal',
      },
    ],
    resources: [],
    prompts: [],
  };
  await writeFile(join(folder, 'cmcp.yaml'), config.join('\n'));
  await writeFile(join(folder, 'catalog.json'), JSON.stringify(catalog));
  await writeFile(join(folder, 'policy', 'manifest.json'), JSON.stringify({ ...manifest, cmcp_request: 1 }));
  await writeFile(join(folder, 'policy', 'schema.cedarschema'), SCHEMA);
  const policy = 'permit (principal == Agent::"bench", action in Action::"call_tool", resource);';
  await writeFile(join(folder, 'policy', 'allow.cedar'), policy);
}

const SCHEMA = `entity Agent;
entity Server;
entity Resource in [Server];
action call_tool;
action "echo" in [Action::"call_tool"] appliesTo { principal: [Agent], resource: [Resource], context: {} };`;

async function openSession(url: string): Promise<Record<string, string>> {
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  };
  const send = (message: object, more: Record<string, string> = {}): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { ...headers, ...more },
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    });
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } };
  const answer = await send({ id: 0, method: 'initialize', params });
  const session = answer.headers.get('mcp-session-id');
  if (session === null) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
  const named = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
  await send({ method: 'notifications/initialized' }, named);
  return { authorization: headers.authorization, ...named };
}
