import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { clientConfig } from '../client-config.ts';
import { type Cmcp, run } from '../cmcp.ts';
import { APPROVED, type Review, review } from '../review.ts';
import type { Outbox } from '../servers/outbox.ts';
import type { Teller } from '../teller.ts';
import type { Workspace } from '../workspace.ts';

const SERVERS = ['filesystem', 'everything', 'memory', 'outbox'];

const Initialised = z.object({
  config: z.string(),
  agent: z.object({ subject: z.string(), token: z.string() }),
  operator: z.object({ token: z.string() }),
  servers: z.array(z.object({ id: z.string(), tools: z.array(z.unknown()) })),
});

const Checked = z.object({
  policy: z.object({ hash: z.string() }),
  catalog: z.object({ hash: z.string(), tools: z.number() }),
  servers: z.array(z.object({ id: z.string(), status: z.string() })),
});

type Initialised = z.infer<typeof Initialised>;
type Checked = z.infer<typeof Checked>;

interface World {
  teller: Teller;
  cmcp: Cmcp;
  workspace: Workspace;
  outbox: Outbox;
}

/** What was approved before anything was served: pins and names to hold the record against. */
export interface Approved {
  config: string;
  agent: { subject: string; token: string };
  operatorToken: string;
  policyHash: string;
  catalogHash: string;
}

/** From a client's configuration to a gateway that passes its own check. */
export async function setUp({ teller, cmcp, workspace, outbox }: World): Promise<Approved> {
  await nameServers({ teller, cmcp, workspace, outbox });
  const { config, agent, operator } = await initialise(teller, cmcp);
  await reviewed(teller, workspace);
  const { policy, catalog } = await check(teller, cmcp);
  const hashes = { policyHash: policy.hash, catalogHash: catalog.hash };
  return { config, agent, operatorToken: operator.token, ...hashes };
}

function nameServers({ teller, cmcp, workspace, outbox }: World): Promise<void> {
  return teller.step(
    {
      id: 'client-config',
      chapter: 'set-up',
      title: 'A client has four MCP servers',
      asked: 'mcp.json: filesystem, everything and memory from npm over stdio, outbox over Streamable HTTP',
      expected: { decided: 'done' },
    },
    async () => {
      const config = clientConfig(cmcp.node, workspace, outbox.url);
      await writeFile(workspace.clientConfig, `${JSON.stringify(config, null, 2)}\n`);
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: 'Used directly, they let an agent call any tool with any argument, and nobody can show later what it did.',
        facts: { file: workspace.clientConfig, files: workspace.files.folder, outbox: outbox.url },
        result: undefined,
      };
    },
  );
}

function initialise(teller: Teller, cmcp: Cmcp): Promise<Initialised> {
  // Port 0: any free one, so that the demo never collides with a gateway that runs already.
  const args = ['init', '--from', 'mcp.json', '--out', 'gateway', '--listen', '127.0.0.1:0'];
  return teller.step(
    {
      id: 'init',
      chapter: 'set-up',
      title: 'A gateway takes them over',
      asked: `cmcp ${args.join(' ')}`,
      expected: { decided: 'done', facts: { servers: SERVERS } },
    },
    async () => {
      const result = Initialised.parse(await ask(cmcp, args));
      const offered = result.servers.reduce((sum, { tools }) => sum + tools.length, 0);
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: `It asked each server what it offers and wrote that down: a catalog of ${offered} tools, a starting policy, and a token for the agent.`,
        facts: { config: result.config, servers: result.servers.map(({ id }) => id), tools_offered: offered },
        result,
      };
    },
  );
}

function reviewed(teller: Teller, workspace: Workspace): Promise<Review> {
  return teller.step(
    {
      id: 'review',
      chapter: 'set-up',
      title: 'A security engineer reviews what was written',
      asked: 'edit gateway/catalog.json, add policies: 30-secrets-stay-unread, 40-refunds-need-a-person',
      expected: { decided: 'done', facts: { approved: [...APPROVED] } },
    },
    async () => {
      const result = await review(workspace.gateway);
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: `${result.approved.length} tools stay approved and ${result.removed.length} go. What read_text_file shows counts as customer data (pii). Paths with "secrets" in them are forbidden, and updates about refunds wait for a person.`,
        facts: { approved: result.approved, removed: result.removed },
        result,
      };
    },
  );
}

function check(teller: Teller, cmcp: Cmcp): Promise<Checked> {
  const args = ['check', '--config', 'gateway/cmcp.yaml'];
  return teller.step(
    {
      id: 'check',
      chapter: 'set-up',
      title: 'The gateway checks itself, without serving',
      asked: `cmcp ${args.join(' ')}`,
      expected: {
        decided: 'done',
        facts: { tools: APPROVED.length, servers: SERVERS.toSorted(), as_approved: SERVERS.length },
      },
    },
    async () => {
      const result = Checked.parse(await ask(cmcp, args));
      const approved = result.servers.filter(({ status }) => status === 'as approved');
      const { policy, catalog } = result;
      return {
        decided: 'done',
        by: [],
        by_kind: null,
        why: 'Configuration and policies are valid, and every server still offers what was approved. The hashes of policy and catalog are what the record will be held against.',
        facts: {
          policy_hash: policy.hash,
          catalog_hash: catalog.hash,
          tools: catalog.tools,
          servers: result.servers.map(({ id }) => id).toSorted(),
          as_approved: approved.length,
        },
        result,
      };
    },
  );
}

/** The JSON answer of a command that must succeed. */
async function ask(cmcp: Cmcp, args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run(cmcp, [...args, '--json']);
  if (code !== 0) throw new Error(`cmcp ${args[0]} ended with ${code}: ${stderr.trim() || stdout.trim()}`);
  return JSON.parse(stdout);
}
