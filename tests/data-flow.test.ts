import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEntry } from '@cmcp/evidence';
import { ABLE, type Agent, type Reply } from './support/agent.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { but, codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { PeerError, type PeerServer } from './support/peer-server.ts';
import type { Values } from './support/wire.ts';

const CUSTOMER = {
  id: 'CUST-204917',
  name: 'Maria Okafor',
  email: 'maria.okafor@example.org',
  card: '4111 1111 1111 1111',
  balance: 1204.5,
  note: 'Moved to Port Harcourt in spring and asked us to hold all letters until the new lease is signed.',
};
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** Customer data stays inside; where not everything that was seen is remembered, nothing leaves. */
const STAYS = but(`@id("stays") forbid (principal, action == Action::"send", resource)
when { context.flow.sources.servers.contains("crm") || context.flow.max_sensitivity_rank >= 1 };`);

const answer = (structuredContent: Values): Values => ({
  content: [{ type: 'text', text: JSON.stringify(structuredContent) }],
  structuredContent,
});

/** A directory of customers, and a way out. */
function scene(changes: Partial<PeerSetup> = {}, crm: (peer: PeerServer) => void = customers): PeerSetup {
  return {
    servers: {
      crm: { script: crm },
      mail: { script: (peer) => void peer.on('tools/call', () => ({ content: [{ type: 'text', text: 'sent' }] })) },
    },
    tools: {
      get_customer: { server: 'crm', sensitivity: 'pii', effects: 'read' },
      send: { server: 'mail', destination_class: 'external' },
    },
    policies: STAYS,
    ...changes,
  };
}

const customers = (peer: PeerServer): void => void peer.on('tools/call', () => answer(CUSTOMER));

const called = (agent: Agent, name: string, given: Values = {}): Promise<Reply> =>
  agent.request('tools/call', { name, arguments: given });
const send = (agent: Agent, given: Values): Promise<Reply> => called(agent, 'send', given);

const passes = (reply: Reply): void => assert.equal(reply.error, undefined, JSON.stringify(reply.error));
const isDenied = (reply: Reply, of: unknown): void =>
  assert.equal(reply.error?.data?.error_code, 'POLICY_DENY', `${JSON.stringify(of)}: ${JSON.stringify(reply)}`);

const escaped = (text: string): string =>
  [...text].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
const rot13 = (text: string): string =>
  text.replaceAll(/[a-z]/gi, (letter) =>
    String.fromCharCode(letter.charCodeAt(0) + (letter.toLowerCase() <= 'm' ? 13 : -13)),
  );

const CARRYING: Values[] = [
  { to: CUSTOMER.email },
  { text: `Write to ${CUSTOMER.name} about the lease.` },
  { text: 'MARIA OKAFOR' },
  { text: 'M.a.r.i.a O.k.a.f.o.r' },
  { text: 'ｍａｒｉａ ｏｋａｆｏｒ' },
  { text: 'said that she moved to port harcourt in spring and asked for something' },
  { number: 4111111111111111 },
  { text: '4111-1111-1111-1111' },
  { rows: [{ [CUSTOMER.name]: 1 }] },
  { text: Buffer.from(JSON.stringify(CUSTOMER)).toString('base64') },
  { text: `see ${Buffer.from(CUSTOMER.note).toString('base64url')}` },
  { text: Buffer.from(CUSTOMER.name).toString('hex') },
  { link: `https://collect.example/?q=${encodeURIComponent(CUSTOMER.note)}` },
  { text: [...CUSTOMER.name].map((character) => `&#${character.charCodeAt(0)};`).join('') },
  { text: escaped(CUSTOMER.email) },
  { text: JSON.stringify(JSON.stringify({ body: CUSTOMER.note })) },
  { text: rot13(CUSTOMER.note) },
  { text: [...CUSTOMER.email].reverse().join('') },
  { text: Buffer.from(rot13(Buffer.from(CUSTOMER.note).toString('hex'))).toString('base64') },
  { first: '4111 1111', second: '1111 1111' },
  { parts: CUSTOMER.note.match(/.{1,5}/g) ?? [] },
];

test('what was read of one server is found in what is sent to another, however it is written [ATK-05] [L-10] [L-23] [NIST-3] [AISVS-9.2.10]', () =>
  withPeers(scene(), async (bed) => {
    const agent = await bed.agent('modern');
    passes(await send(agent, { text: 'good morning' }));
    const session = receiptOf(await called(agent, 'get_customer')).session_id;
    for (const given of CARRYING) isDenied(await send(agent, given), given);
    for (const given of [
      { text: 'The weather in Lagos is fine.' },
      { number: 42 },
      { to: 'someone.else@example.net' },
    ]) {
      passes(await send(agent, given));
    }
    await bed.endSession(agent, session);
    const entries = await bed.entries(session, 'Okafor', 'Harcourt', '4111 1111');
    const flows = entries.map(({ tool_name, flow }) => [tool_name, flow]);
    const none = { tools: [], servers: [], classes: [], max_sensitivity: 'public', complete: 1 };
    const crm = { tools: ['get_customer'], servers: ['crm'], classes: ['pii'], max_sensitivity: 'pii', complete: 1 };
    assert.deepEqual(flows.slice(0, 3), [
      ['send', none],
      ['get_customer', none],
      ['send', crm],
    ]);
    assert.deepEqual(flows.at(-1), ['send', none]);
  }));
