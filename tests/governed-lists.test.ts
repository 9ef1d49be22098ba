import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE, type Agent } from './support/agent.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { codeOf, type PeerSetup, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Values } from './support/wire.ts';

const POLICIES = {
  'other.cedar': 'permit (principal == Agent::"other", action, resource);',
  'agent.cedar': `permit (principal == Agent::"agent", action, resource == Resource::"echo");
permit (principal == Agent::"agent", action == Action::"read_resource", resource in Server::"main");
forbid (principal == Agent::"agent", action == Action::"read_resource", resource == McpResource::"secret");
forbid (principal == Agent::"agent", action == Action::"read_resource", resource == McpResource::"secrets");`,
};

const setup = (changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { instructions: 'Main instructions' }, hidden: { instructions: 'Hidden instructions' } },
  tools: { echo: {}, delete: {}, far: { server: 'hidden' } },
  resources: {
    guide: { uri: 'note:///guide' },
    secret: { uri: 'note:///secret' },
    notes: { template: 'note:///by-id/{id}' },
    secrets: { template: 'note:///secret/{id}' },
  },
  prompts: { explain: {}, far_prompt: { server: 'hidden' } },
  policies: POLICIES,
  ...changes,
});

const statingOthers = (peer: PeerServer): void => {
  peer.instructions = 'CANARY other';
};

const LISTS = {
  'tools/list': ['tools', 'name'],
  'resources/list': ['resources', 'uri'],
  'resources/templates/list': ['resourceTemplates', 'uriTemplate'],
  'prompts/list': ['prompts', 'name'],
} as const;

async function listed(agent: Agent, method: keyof typeof LISTS): Promise<unknown[] | null> {
  const [key, name] = LISTS[method];
  const { result } = await agent.request(method);
  return result === undefined ? null : (result[key] as Values[]).map((item) => item[name]);
}

for (const family of FAMILIES) {
  test(`every list holds what this caller could be allowed, in a stable order, and is private: ${family} agent [LIFE-10] [MCP26-23]`, () =>
    withPeers(setup(), async (bed) => {
      const agent = await bed.agent(family);
      const other = await bed.agent(family, { token: OTHER_TOKEN });
      const all = async (by: Agent) =>
        Promise.all((Object.keys(LISTS) as (keyof typeof LISTS)[]).map((method) => listed(by, method)));
      assert.deepEqual(await all(agent), [['echo'], ['note:///guide'], ['note:///by-id/{id}'], null]);
      const everything = [
        ['delete', 'echo', 'far'],
        ['note:///guide', 'note:///secret'],
        ['note:///by-id/{id}', 'note:///secret/{id}'],
        ['explain', 'far_prompt'],
      ];
      assert.deepEqual(await all(other), everything);
      assert.deepEqual(await all(other), everything);
      assert.equal(
        codeOf(await agent.request('prompts/list')),
        'METHOD_NOT_GOVERNED',
        'what is not offered is refused',
      );
      if (family === 'modern') {
        const { result } = await agent.request('tools/list');
        assert.equal(result?.cacheScope, 'private');
      }
      assert.equal(agent.bodies.join().includes('far'), false);
    }));

  test(`what is not listed is denied whatever is asked of it, and its schema is told nobody: ${family} agent [LIFE-10]`, () =>
    withPeers(setup(), async (bed) => {
      const agent = await bed.agent(family);
      assert.equal(codeOf(await agent.request('tools/call', { name: 'delete', arguments: {} })), 'POLICY_DENY');
      assert.equal(codeOf(await agent.request('resources/read', { uri: 'note:///secret' })), 'POLICY_DENY');
      assert.equal(codeOf(await agent.request('resources/read', { uri: 'note:///secret/1' })), 'POLICY_DENY');
      assert.equal(codeOf(await agent.request('prompts/get', { name: 'explain' })), 'POLICY_DENY');
      assert.deepEqual(bed.peer.sent('tools/call'), []);
    }));

  test(`instructions are the approved ones of servers that something is offered of: ${family} agent`, () =>
    withPeers(setup(), async (bed) => {
      const agent = await bed.agent(family);
      const own = await agent.open();
      assert.equal(own.instructions, 'Main instructions');
      const other = await bed.agent(family, { token: OTHER_TOKEN });
      const theirs = String((await other.open()).instructions);
      assert.equal(theirs, '# hidden\n\nHidden instructions\n\n# main\n\nMain instructions');
      const { prompts } = own.capabilities as Values;
      assert.equal(prompts, undefined, 'what it may not use is not declared');
    }));

  test(`instructions that the server states otherwise by now are shown nobody: ${family} agent [MCP26-21]`, () =>
    withPeers(
      setup({
        servers: {
          main: { instructions: 'Main instructions', script: statingOthers },
          hidden: {},
        },
      }),
      async (bed) => {
        await bed.bed.reported('CATALOG_DRIFT main: definition_changed (instructions)');
        const agent = await bed.agent(family);
        assert.equal((await agent.open()).instructions, undefined);
        assert.equal(agent.bodies.join().includes('CANARY'), false);
      },
    ));

  test(`definitions are the approved ones, never live text: ${family} agent`, () =>
    withPeers(setup(), async (bed) => {
      for (const list of Object.values(bed.peer.lists)) {
        for (const item of list) item.description = 'CANARY-live';
      }
      const agent = await bed.agent(family, { token: OTHER_TOKEN });
      for (const method of Object.keys(LISTS)) assert.ok((await agent.request(method)).result);
      assert.equal(agent.bodies.join().includes('CANARY-live'), false);
    }));

  test(`a page's cursor is another caller's no page, and an invented one is refused: ${family} agent`, () => {
    const tools = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`tool_${String(n).padStart(3, '0')}`, {}]));
    const policies = {
      'all.cedar': 'permit (principal == Agent::"other", action, resource);',
      'one.cedar': 'permit (principal == Agent::"agent", action, resource == Resource::"tool_299");',
    };
    return withPeers({ tools, policies }, async (bed) => {
      const other = await bed.agent(family, { token: OTHER_TOKEN });
      const agent = await bed.agent(family);
      const names: unknown[] = [];
      let cursor: unknown;
      do {
        const { result = {} } = await other.request('tools/list', cursor === undefined ? {} : { cursor });
        names.push(...(result.tools as Values[]).map(({ name }) => name));
        cursor = result.nextCursor;
        if (cursor !== undefined) {
          const theirs = await agent.request('tools/list', { cursor });
          const seen = (theirs.result?.tools as Values[] | undefined) ?? [];
          assert.ok(
            seen.every(({ name }) => name === 'tool_299'),
            'a cursor opens nothing',
          );
        }
      } while (cursor !== undefined);
      assert.deepEqual(names, Object.keys(tools));
      assert.equal(codeOf(await other.request('tools/list', { cursor: 'invented' })), 'INVALID_PARAMS');
    });
  });

  test(`live clients hear of changed lists after an activation, and after an announcement was checked: ${family} agent [LIFE-08] [MCP26-30]`, () =>
    withPeers(setup(), async (bed) => {
      const agent = await bed.agent(family, { token: OTHER_TOKEN });
      await agent.listen({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true });
      const compared = Promise.withResolvers<void>();
      const drifted = Promise.withResolvers<void>();
      bed.peer.listing = (method) => {
        if (method === 'tools/list') drifted.resolve();
        return method === 'tools/list' ? compared.promise : undefined;
      };
      const hears = (kind: string) =>
        agent.heard.first(({ method }) => method === `notifications/${kind}/list_changed`);
      await bed.peer.announce('notifications/tools/list_changed');
      await drifted.promise;
      assert.deepEqual(
        agent.heard.items.filter(({ method }) => method.endsWith('tools/list_changed')),
        [],
      );
      compared.resolve();
      await hears('tools');
      await bed.peer.announce('notifications/resources/list_changed');
      await hears('resources');
      const before = agent.heard.items.length;
      await bed.approve(setup({ tools: { echo: {} } }));
      await bed.gateway.reload();
      const kinds = ['tools', 'resources', 'prompts'].map((kind) => `notifications/${kind}/list_changed`);
      await agent.heard.first(({ method }) => method === kinds[2]);
      assert.deepEqual(
        agent.heard.items.slice(before).map(({ method }) => method),
        kinds,
      );
      assert.deepEqual(await listed(agent, 'tools/list'), ['echo']);
    }));
}

test('a header that mirrors a parameter is held against the schema of a tool that the caller is offered, and of no other [MCP26-12]', () => {
  const definition = {
    inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
  };
  const tools = { echo: { definition }, delete: { definition } };
  return withPeers(setup({ tools }), async (bed) => {
    const agent = await bed.agent('modern', { capabilities: ABLE });
    const call = (name: string) => agent.request('tools/call', { name, arguments: { region: 'eu' } });
    assert.equal(codeOf(await call('echo')), 'HEADER_MISMATCH');
    assert.equal(codeOf(await call('delete')), 'POLICY_DENY', 'nothing is learned of its schema');
  });
});

for (const family of FAMILIES) {
  test(`who may use nothing of a kind is not offered the kind: ${family} agent [MCP25-18]`, () =>
    withPeers(
      setup({ policies: { 'one.cedar': 'permit (principal, action, resource == Resource::"echo");' } }),
      async (bed) => {
        const agent = await bed.agent(family);
        const { capabilities } = await agent.open();
        const { tools, resources, prompts, completions } = capabilities as Values;
        assert.ok(tools);
        assert.deepEqual([resources, prompts, completions], [undefined, undefined, undefined]);
        assert.equal(codeOf(await agent.request('resources/list')), 'METHOD_NOT_GOVERNED');
      },
    ));
}
