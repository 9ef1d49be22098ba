import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE, Agent, type Reply } from './support/agent.ts';
import { AGENT_TOKEN, OTHER_TOKEN } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { but, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { PeerError, type PeerServer } from './support/peer-server.ts';
import { closedFile } from './support/session-files.ts';
import { FAMILIES, type Values } from './support/wire.ts';

const CUSTOMER = {
  id: 'CUST-204917',
  name: 'Maria Okafor',
  email: 'maria.okafor@example.org',
  account: '9044 1722 0366 18',
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
  { number: 90441722036618 },
  { text: '9044-1722-0366-18' },
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
  { first: '9044 1722', second: '0366 18' },
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
    const entries = await bed.entries(session, 'Okafor', 'Harcourt', '9044 1722');
    const flows = entries.map(({ tool_name, flow }) => [tool_name, flow]);
    const none = { tools: [], servers: [], domains: [], classes: [], max_sensitivity: 'public', complete: 1 };
    const crm = {
      tools: ['get_customer'],
      servers: ['crm'],
      domains: ['external'],
      classes: ['pii'],
      max_sensitivity: 'pii',
      complete: 1,
    };
    assert.deepEqual(flows.slice(0, 3), [
      ['send', none],
      ['get_customer', none],
      ['send', crm],
    ]);
    assert.deepEqual(flows.at(-1), ['send', none]);
  }));

/** Everything in which a server may say something, and where the client's own words go to one. */
const EVERYWHERE: Partial<PeerSetup> = {
  tools: {
    get_customer: { server: 'crm', sensitivity: 'pii', effects: 'read' },
    send: { server: 'mail', destination_class: 'external' },
    ask: { server: 'mail' },
  },
  resources: {
    customer: { server: 'crm', uri: 'crm://customer', sensitivity: 'pii' },
    outbox: { server: 'mail', template: 'mail://to/{whom}' },
  },
  prompts: { about: { server: 'crm', sensitivity: 'pii' }, letter: { server: 'mail' } },
  policies: but(`@id("stays") forbid (principal, action, resource in Server::"mail")
when { context.flow.sources.servers.contains("crm") };
@id("answers") forbid (principal, action, resource == Server::"mail")
when { context.flow.sources.servers.contains("crm") };`),
};

const spoken = { role: 'user', content: { type: 'text', text: CUSTOMER.note } };

test('whatever a server says counts as given by it: resources, prompts, completions, errors, notices and questions', async () => {
  const sayings: [string, Values, (peer: PeerServer) => void][] = [
    [
      'resources/read',
      { uri: 'crm://customer' },
      (peer) => void peer.on('resources/read', () => ({ contents: [{ uri: 'crm://customer', text: CUSTOMER.note }] })),
    ],
    [
      'resources/read',
      { uri: 'crm://customer' },
      (peer) =>
        void peer.on('resources/read', () => ({
          contents: [{ uri: 'crm://customer', blob: Buffer.from(CUSTOMER.note).toString('base64') }],
        })),
    ],
    ['prompts/get', { name: 'about' }, (peer) => void peer.on('prompts/get', () => ({ messages: [spoken] }))],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'about' }, argument: { name: 'topic', value: 'x' } },
      (peer) => void peer.on('completion/complete', () => ({ completion: { values: [CUSTOMER.note] } })),
    ],
    [
      'tools/call',
      GET,
      (peer) =>
        void peer.on('tools/call', () => {
          throw new PeerError({ code: -32050, message: CUSTOMER.note });
        }),
    ],
    [
      'tools/call',
      GET,
      (peer) =>
        void peer.on('tools/call', ({ progress }) => {
          progress(1, CUSTOMER.note);
          return answer({ found: 1 });
        }),
    ],
    [
      'tools/call',
      GET,
      (peer) =>
        void peer.on('tools/call', async ({ ask }) => {
          await ask('q', 'elicitation/create', {
            message: CUSTOMER.note,
            requestedSchema: { type: 'object', properties: {} },
          });
          return answer({ found: 1 });
        }),
    ],
  ];
  await Promise.all(
    sayings.map(async ([method, params, script], index) =>
      withPeers(
        { ...scene({}, script), ...EVERYWHERE, servers: { crm: { script, asks: ['elicit'] }, mail: {} } },
        async (bed) => {
          const agent = await bed.agent('modern', { capabilities: ABLE, answer: () => ({ action: 'decline' }) });
          await agent.complete(method, params, { progressToken: 1 });
          isDenied(await send(agent, { text: `Read: ${CUSTOMER.note}` }), [method, index]);
        },
      ),
    ),
  );
});

test('numbers that say how far a call is count as given by its server', () => {
  const [done, total] = [7_093_518_264, 8_160_427_395];
  const counting = (peer: PeerServer): void =>
    void peer.on('tools/call', ({ progress }) => {
      progress(done, undefined, total);
      return answer({ found: 1 });
    });
  return withPeers(scene({}, counting), async (bed) => {
    const agent = await bed.agent('modern');
    await agent.complete('tools/call', GET, { progressToken: 1 });
    passes(await send(agent, { text: 'good morning' }));
    for (const number of [done, total]) isDenied(await send(agent, { text: `It is ${number}.` }), number);
  });
});

const GET = { name: 'get_customer', arguments: {} };

for (const family of FAMILIES) {
  test(`whatever goes to a server is traced: URIs, arguments of prompts and completions, answers to questions: ${family}`, () => {
    const mail = (peer: PeerServer): void => {
      peer.on('tools/call', async ({ ask }) => {
        const { result } = await ask('q', 'elicitation/create', {
          message: 'What shall it say?',
          requestedSchema: { type: 'object', properties: { text: { type: 'string' } } },
        });
        return { content: [{ type: 'text', text: result === undefined ? 'refused' : 'told' }] };
      });
    };
    const servers = { crm: { script: customers }, mail: { family, script: mail, asks: ['elicit'] } };
    return withPeers({ ...scene(), ...EVERYWHERE, servers }, async (bed) => {
      let content = 'Good morning.';
      const agent = await bed.agent(family, {
        capabilities: ABLE,
        answer: () => ({ action: 'accept', content: { text: content } }),
      });
      passes(await called(agent, 'get_customer'));
      const { email } = CUSTOMER;
      for (const [method, params] of [
        ['resources/read', { uri: `mail://to/${encodeURIComponent(email)}` }],
        ['resources/subscribe', { uri: `mail://to/${encodeURIComponent(email)}` }],
        ['prompts/get', { name: 'letter', arguments: { topic: email } }],
        [
          'completion/complete',
          { ref: { type: 'ref/prompt', name: 'letter' }, argument: { name: 'topic', value: email } },
        ],
      ] as const) {
        if (family === 'handshake' || method !== 'resources/subscribe')
          isDenied(await agent.request(method, params), method);
      }
      const ask = async (): Promise<unknown> =>
        (await agent.complete('tools/call', { name: 'ask', arguments: {} })).result?.content;
      assert.deepEqual(await ask(), [{ type: 'text', text: 'told' }]);
      content = email;
      const refused = await agent.complete('tools/call', { name: 'ask', arguments: {} });
      assert.notDeepEqual(refused.result?.content, [{ type: 'text', text: 'told' }]);
    });
  });
}

test('what the agent itself looks up by is not given by the tool that repeats it; what it did not have is', () =>
  withPeers(scene(), async (bed) => {
    const agent = await bed.agent('modern');
    passes(await called(agent, 'get_customer', { id: CUSTOMER.id, email: CUSTOMER.email }));
    passes(await send(agent, { text: `The case of ${CUSTOMER.id} (${CUSTOMER.email}) is closed.` }));
    isDenied(await send(agent, { text: CUSTOMER.account }), 'the account');
  }));

test('what was taken out of an answer was not seen, and may be sent', () =>
  withPeers(
    scene({
      policies: {
        'all.cedar': `permit (principal, action, resource);
@redact("$.name") permit (principal, action == Action::"get_customer", resource);`,
        'stays.cedar': STAYS['but.cedar'] ?? '',
      },
    }),
    async (bed) => {
      const agent = await bed.agent('modern');
      passes(await called(agent, 'get_customer'));
      passes(await send(agent, { text: CUSTOMER.name }));
      isDenied(await send(agent, { text: CUSTOMER.email }), 'the address');
    },
  ));

test('what cannot be remembered makes the flow incomplete, and the class of all that was seen then counts [AISVS-9.2.10]', () =>
  withPeers(
    scene(
      {},
      (peer) =>
        void peer.on('tools/call', () => ({ content: [{ type: 'image', mimeType: 'image/png', data: PIXEL }] })),
    ),
    async (bed) => {
      const agent = await bed.agent('modern');
      passes(await send(agent, { text: 'good morning' }));
      const session = receiptOf(await called(agent, 'get_customer')).session_id;
      isDenied(await send(agent, { text: 'good evening' }), 'anything');
      await bed.endSession(agent, session);
      const entries = await bed.entries(session);
      assert.deepEqual(entries.at(-1)?.flow, {
        tools: [],
        servers: [],
        domains: [],
        classes: [],
        max_sensitivity: 'pii',
        complete: 0,
      });
    },
  ));

test('what is forgotten for want of room makes the flow incomplete', () => {
  let page = 0;
  const pages = (peer: PeerServer): void =>
    void peer.on('tools/call', () => {
      page += 1;
      const words = Array.from({ length: 150_000 }, (_, index) =>
        ((index * 7919 + page * 104_729) % 1_679_616).toString(36),
      );
      return { content: [{ type: 'text', text: page === 1 ? JSON.stringify(CUSTOMER) : words.join(' ') }] };
    });
  // What inspecting takes on a busy machine is not what this is about.
  const inspection = 'inspection: 1\nversion: test\ndefaults: { budget: 60s }\n';
  return withPeers(scene({ inspection }, pages), async (bed) => {
    const agent = await bed.agent('modern');
    passes(await called(agent, 'get_customer'));
    passes(await send(agent, { text: 'good morning' }));
    isDenied(await send(agent, { text: CUSTOMER.note }), 'remembered');
    for (let more = 0; more < 6; more += 1) passes(await called(agent, 'get_customer'));
    isDenied(await send(agent, { text: 'good morning' }), 'anything');
  });
});

test('another process knows nothing of what this one showed, and says so', () =>
  withPeers(scene(), async (bed) => {
    const agent = await bed.agent('modern');
    passes(await called(agent, 'get_customer'));
    passes(await send(agent, { text: 'good morning' }));
    await bed.gateway.stop();
    const { url } = await bed.bed.start();
    const later = new Agent(url, 'modern', { token: AGENT_TOKEN });
    isDenied(await send(later, { text: 'good morning' }), 'anything');
    const other = new Agent(url, 'modern', { token: OTHER_TOKEN });
    passes(await send(other, { text: 'good morning' }));
  }));

test('what one agent was shown is nothing to another, and what an operator resets is forgotten', () =>
  withPeers(scene(), async (bed) => {
    const [agent, other] = [await bed.agent('modern'), await bed.agent('modern', { token: OTHER_TOKEN })];
    const session = receiptOf(await called(agent, 'get_customer')).session_id;
    isDenied(await send(agent, { text: CUSTOMER.note }), 'who saw it');
    passes(await send(other, { text: CUSTOMER.note }));
    await reset(bed, session);
    passes(await send(agent, { text: CUSTOMER.note }));
  }));

async function reset(bed: PeerBed, session: string): Promise<void> {
  const { status } = await bed.bed.operator('POST', `/operator/v1/sessions/${session}/reset`, { reason: 'new case' });
  assert.equal(status, 200);
}

test('what was seen is forgotten with the exposure: after a reset, and after the carry-over, the flow is complete again', () => {
  const time = new ManualTime();
  let isImage = true;
  const image = (peer: PeerServer): void =>
    void peer.on('tools/call', () =>
      isImage ? { content: [{ type: 'image', mimeType: 'image/png', data: PIXEL }] } : answer(CUSTOMER),
    );
  const setup = scene(
    { config: 'sessions: { idle: 10m, carry_over: 2h }', deps: { clock: time, timers: time } },
    image,
  );
  return withPeers(setup, async (bed) => {
    const agent = await bed.agent('modern');
    const session = receiptOf(await called(agent, 'get_customer')).session_id;
    isDenied(await send(agent, { text: 'good morning' }), 'anything');
    await reset(bed, session);
    passes(await send(agent, { text: 'good morning' }));
    passes(await called(agent, 'get_customer'));
    isDenied(await send(agent, { text: 'good morning' }), 'anything');
    isImage = false;
    passes(await called(agent, 'get_customer'));
    isDenied(await send(agent, { text: CUSTOMER.note }), 'the note');
    time.advance(3 * 60 * 60_000);
    await closedFile(bed.started, session);
    passes(await send(agent, { text: CUSTOMER.note }));
  });
});

test('a value is seen in whatever of a request goes to the server: a completion’s resource, names of members, the trace', () => {
  const token = 'CorrectHorseBatteryStaple';
  const script = (peer: PeerServer): void =>
    void peer.on('tools/call', () => answer({ id: CUSTOMER.id, code: token.toLowerCase() }));
  const resources = { letters: { server: 'mail', template: 'mail://letters/{id}' } };
  const policies = but(
    '@id("stays") forbid (principal, action, resource in Server::"mail") when { context.flow.max_sensitivity_rank >= 1 };',
  );
  return withPeers(scene({ policies, resources }, script), async (bed) => {
    const agent = await bed.agent('handshake');
    passes(await called(agent, 'get_customer'));
    const trace = (id: string): Values => ({
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: `vendor=${id}`,
    });
    const completing = (id: string): Promise<Reply> =>
      agent.request('completion/complete', {
        ref: { type: 'ref/resource', uri: `mail://letters/${id}` },
        argument: { name: 'id', value: 'x' },
      });
    for (const reply of [
      await completing(CUSTOMER.id),
      await send(agent, { [token]: 1 }),
      await agent.request('tools/call', { name: 'send', arguments: {}, _meta: trace(CUSTOMER.id) }),
    ])
      isDenied(reply, reply);
    assert.notEqual((await completing('someone')).error?.data?.error_code, 'POLICY_DENY');
    passes(await send(agent, { recipientOfTheLetter: 1 }));
    passes(await agent.request('tools/call', { name: 'send', arguments: {}, _meta: trace('none') }));
  });
});
