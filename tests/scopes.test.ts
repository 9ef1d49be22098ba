import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../packages/gateway/src/caller.ts';
import { Agent } from './support/agent.ts';
import { anyCaller, tokenOf } from './support/callers.ts';
import { codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { FAMILIES, type Family, MODERN_VERSION, type Values } from './support/wire.ts';

const setup = (config = ''): PeerSetup => ({
  servers: {
    main: {
      script: (peer) => {
        const content = [{ type: 'resource_link', uri: 'note:///guide', name: 'guide' }];
        peer.on('tools/call', () => ({ content }));
        peer.on('resources/read', () => ({ contents: [{ uri: 'note:///guide', text: 'x' }] }));
        peer.on('prompts/get', () => ({ messages: [] }));
      },
    },
    side: {},
  },
  tools: { look: { effects: 'read' }, change: {}, far: { server: 'side', effects: 'read' } },
  resources: { guide: { uri: 'note:///guide' } },
  prompts: { explain: {} },
  deps: { identity: [anyCaller] },
  config,
});

const withScopes = (scopes?: string[]): Caller => ({ subject: 'agent', source: 'oauth', ...(scopes && { scopes }) });

async function agentOf(bed: PeerBed, family: Family, caller: Caller): Promise<Agent> {
  return bed.agent(family, { token: tokenOf(caller) });
}

const REQUESTS: Record<string, [string, Values]> = {
  change: ['tools/call', { name: 'change', arguments: {} }],
  look: ['tools/call', { name: 'look', arguments: {} }],
  guide: ['resources/read', { uri: 'note:///guide' }],
  explain: ['prompts/get', { name: 'explain' }],
};

/** What the agent may use of each kind, and what it is shown. */
async function reached(agent: Agent): Promise<{ used: string[]; shown: string[] }> {
  const used: string[] = [];
  for (const [name, [method, params]] of Object.entries(REQUESTS)) {
    const reply = await agent.request(method, params);
    if (reply.error === undefined) used.push(name);
    else assert.equal(codeOf(reply), 'INSUFFICIENT_SCOPE', name);
  }
  const shown: string[] = [];
  for (const kind of ['tools', 'resources', 'prompts']) {
    const { result = {} } = await agent.request(`${kind}/list`);
    shown.push(
      ...((result[kind] ?? []) as { name: string }[]).map(({ name }) => name).filter((name) => name !== 'far'),
    );
  }
  return { used, shown };
}

for (const family of FAMILIES) {
  test(`a credential with scopes may use what they are for, and is shown no more; one without is not narrowed: ${family} [AUTHZ-07]`, () =>
    withPeers(setup(), async (bed) => {
      const expected: [string[] | undefined, string[]][] = [
        [undefined, ['change', 'look', 'guide', 'explain']],
        [['mcp:tools'], ['change', 'look']],
        [['mcp:tools:read'], ['look']],
        [
          ['mcp:resources', 'mcp:prompts'],
          ['guide', 'explain'],
        ],
        [['MCP:tools', 'mcp', 'constructor'], []],
        [[], []],
      ];
      for (const [scopes, names] of expected) {
        const agent = await agentOf(bed, family, withScopes(scopes));
        assert.deepEqual(await reached(agent), { used: names, shown: names }, String(scopes));
      }
      if (family === 'handshake') {
        const subscribing = async (scope: string) => {
          const agent = await agentOf(bed, family, withScopes([scope]));
          const reply = await agent.request('resources/subscribe', { uri: 'note:///guide' });
          return reply.error === undefined ? 'subscribed' : codeOf(reply);
        };
        const outcomes = [await subscribing('mcp:resources'), await subscribing('mcp:tools')];
        assert.deepEqual(outcomes, ['subscribed', 'INSUFFICIENT_SCOPE']);
      }
      // Links lead nowhere that the credential is not for.
      const linked = async (scopes: string[]) => {
        const agent = await agentOf(bed, family, withScopes(scopes));
        const { result } = await agent.request('tools/call', { name: 'look', arguments: {} });
        return JSON.stringify(result).includes('note:///guide');
      };
      assert.deepEqual([await linked(['mcp:tools', 'mcp:resources']), await linked(['mcp:tools'])], [true, false]);
    }));
}

test('what a scope is for is the configuration’s to say', () =>
  withPeers(
    setup('identity: { scopes: { clerk: ["tool:change", "server:side"], reader: ["tools:read"] } }'),
    async (bed) => {
      const names = async (...scopes: string[]) => {
        const { result } = await (await agentOf(bed, 'modern', withScopes(scopes))).request('tools/list');
        return ((result?.tools ?? []) as { name: string }[]).map(({ name }) => name).sort();
      };
      assert.deepEqual(await names('clerk'), ['change', 'far']);
      assert.deepEqual(await names('reader'), ['far', 'look']);
      assert.deepEqual(await names('mcp:tools'), [], 'what is set takes the place of the usual table');
    },
  ));

test('a refusal has its entry, status 403, and a challenge that names the narrowest scope that would do [AUTHZ-07]', () =>
  withPeers(setup(), async (bed) => {
    const caller = withScopes(['mcp:prompts']);
    const response = await fetch(bed.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${tokenOf(caller)}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-protocol-version': MODERN_VERSION,
        'mcp-method': 'tools/call',
        'mcp-name': 'look',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: {
          name: 'look',
          arguments: {},
          _meta: {
            'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
            'io.modelcontextprotocol/clientInfo': { name: 'agent', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': {},
          },
        },
      }),
    });
    assert.equal(response.status, 403);
    assert.match(
      response.headers.get('www-authenticate') ?? '',
      /error="insufficient_scope".*scope="mcp:tools:read"|scope="mcp:tools:read".*error="insufficient_scope"/,
    );
    const reply = (await response.json()) as { error: { code: number; data: Values } };
    assert.equal(reply.error.code, -32600);
    assert.equal(reply.error.data.scope, 'mcp:tools:read');
    const session = receiptOf(reply).session_id;
    const changing = await new Agent(bed.url, 'modern', { token: tokenOf(caller) }).request(
      ...(REQUESTS.change ?? ['', {}]),
    );
    assert.equal(changing.error?.data?.scope, 'mcp:tools');
    await bed.closeByOperator(session);
    const entries = await bed.entries(session);
    assert.deepEqual(
      entries.map(({ tool_name, policy_decision, policy_rule_matched }) => [
        tool_name,
        policy_decision,
        policy_rule_matched,
      ]),
      [
        ['look', 'deny', 'insufficient_scope'],
        ['change', 'deny', 'insufficient_scope'],
      ],
    );
    assert.equal(bed.peer.sent('tools/call').length, 0);
  }));
