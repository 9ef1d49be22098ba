import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { EDGES_REPRESENT, type GatewayClaim } from '@cmcp/evidence';
import type { Agent } from './support/agent.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { AGENT_TOKEN } from './support/gateway.ts';
import { but, codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { sessionFile, sessionText } from './support/session-files.ts';
import type { Values } from './support/wire.ts';

const CHART = { name: 'Marguerite Oyelaran-Voss', record: 'MRN-48821907', note: 'Waits for the result of the biopsy.' };

/** Health data may be mailed to nobody, unless it was not seen that it is. */
const STAYS = but(`@id("stays") forbid (principal, action == Action::"send", resource)
when { context.flow.sources.classes.contains("hipaa_phi") };`);

const SETUP: PeerSetup = {
  servers: {
    ehr: {
      script: (peer) =>
        void peer.on('tools/call', () => ({ content: [{ type: 'text', text: JSON.stringify(CHART) }] })),
    },
    web: {
      script: (peer) => {
        peer.on('tools/call', ({ params }) => ({ content: [{ type: 'text', text: `done ${String(params.name)}` }] }));
        peer.on('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: 'found' }] }));
      },
    },
  },
  tools: {
    chart: { server: 'ehr', sensitivity: 'hipaa_phi', compliance_domain: 'hipaa_phi', effects: 'read' },
    send: { server: 'web', destination_class: 'external', compliance_domain: 'external' },
    post: { server: 'web', destination_class: 'external', compliance_domain: 'external' },
    clock: { server: 'web', compliance_domain: 'public', effects: 'read' },
  },
  resources: { search: { server: 'web', template: 'web://search/{words}', compliance_domain: 'external' } },
  policies: STAYS,
};

const call = (agent: Agent, name: string, given: Values = {}) =>
  agent.request('tools/call', { name, arguments: given });

const graphOf = ({ gateway }: GatewayClaim) => gateway.call_summary.call_graph_summary;

/** Ends a session, and gives the edges of its claim in short. */
async function edgesOf(bed: PeerBed, agent: Agent, sessionId: string): Promise<string[]> {
  await bed.endSession(agent, sessionId);
  const { claim } = await sessionFile(bed.started, sessionId);
  const { cross_boundary_events, edges_represent } = graphOf(claim);
  assert.equal(edges_represent, cross_boundary_events.length === 0 ? undefined : EDGES_REPRESENT);
  assert.equal((await bed.verified(sessionId)).verdict, 'verified');
  return cross_boundary_events.map(
    ({ basis, from_domain, to_domain, tool_name, decision }) =>
      `${basis} ${from_domain}>${to_domain} ${tool_name} ${decision}`,
  );
}

for (const family of ['handshake', 'modern'] as const) {
  test(`a claim tells values that were carried from calls that came next, and a verifier works both out again: ${family} [L-09] [G22] [C-22]`, () =>
    withPeers(SETUP, async (bed) => {
      const agent = await bed.agent(family);
      const { session_id } = receiptOf(await call(agent, 'chart'));
      await call(agent, 'clock');
      await call(agent, 'post', { text: Buffer.from(CHART.name).toString('base64') });
      await call(agent, 'post', { text: 'nothing of it' });
      assert.equal(codeOf(await call(agent, 'send', { text: CHART.note })), 'POLICY_DENY');
      await agent.request('resources/read', { uri: `web://search/${CHART.record}` });
      assert.deepEqual(await edgesOf(bed, agent, session_id), [
        'temporal hipaa_phi>public clock allow',
        'observed hipaa_phi>external post allow',
        'observed hipaa_phi>external send deny',
        'observed hipaa_phi>external search allow',
      ]);
    }));
}

test('what was read in an earlier session is known by its domain in the next, and nothing is left of it after a reset [L-09]', () =>
  withPeers(SETUP, async (bed) => {
    const first = await bed.agent('handshake');
    const earlier = receiptOf(await call(first, 'chart')).session_id;
    assert.deepEqual(await edgesOf(bed, first, earlier), []);
    const second = await bed.agent('handshake');
    const later = receiptOf(await call(second, 'post', { text: CHART.record })).session_id;
    assert.deepEqual(await edgesOf(bed, second, later), ['observed hipaa_phi>external post allow']);
    const third = await bed.agent('handshake');
    const { session_id } = receiptOf(await call(third, 'clock'));
    await bed.bed.operator('POST', `/operator/v1/sessions/${session_id}/reset`, { reason: 'the chart was invented' });
    assert.ok((await call(third, 'send', { text: CHART.note })).result);
    assert.deepEqual(await edgesOf(bed, third, session_id), []);
  }));

test('an agent lowers neither its class nor what is known of its values: not by ending its session, nor as an operator [W-16] [L-09]', () =>
  withPeers(SETUP, async (bed) => {
    const first = await bed.agent('handshake');
    const { session_id } = receiptOf(await call(first, 'chart'));
    const path = `/operator/v1/sessions/${session_id}/reset`;
    assert.equal((await bed.bed.operator('POST', path, { reason: 'let me' }, AGENT_TOKEN)).status, 403);
    const [, address = ''] = /^(https?:\/\/[^/]+)/.exec(bed.url.href) ?? [];
    const headers = { authorization: `Bearer ${AGENT_TOKEN}`, 'content-type': 'application/json' };
    const tried = await fetch(address + path, { method: 'POST', headers, body: '{"reason":"let me"}' });
    assert.equal(tried.status, 404, 'there is no such route where agents are');
    await first.end();
    const second = await bed.agent('handshake');
    assert.equal(codeOf(await call(second, 'send', { text: CHART.note })), 'POLICY_DENY');
  }));

test('cmcp verify shows what calls carried and the edges, and what each basis means', () =>
  withPeers(SETUP, async (bed) => {
    const agent = await bed.agent('handshake');
    const { session_id } = receiptOf(await call(agent, 'chart'));
    await call(agent, 'post', { text: CHART.record });
    await edgesOf(bed, agent, session_id);
    const file = join(bed.bed.folder, 'session.cmcp.json');
    await writeFile(file, await sessionText(bed.started, session_id));
    const { stdout } = await cmcpInProcess(['verify', file, '--accept-software'], bed.bed.folder);
    assert.match(stdout, /WHERE VALUES WENT, as the entries say\n {4}entry +call of +carried values from/);
    assert.match(stdout, /\n {4}2 +post +chart +hipaa_phi +yes +allow\n/);
    assert.match(stdout, /\n {4}2 +post +hipaa_phi +external +observed +allow\n/);
    assert.match(stdout, /\n {4}2 +post +hipaa_phi +external +temporal +allow\n/);
    assert.match(stdout, /1 observed \(the call carried a value from the other domain\), 1 temporal/);
  }));
