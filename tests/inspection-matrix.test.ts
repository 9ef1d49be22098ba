import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE, type Agent, type Reply } from './support/agent.ts';
import { MAY_ASK } from './support/asks.ts';
import { codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { type Moment, PeerError, type PeerServer } from './support/peer-server.ts';
import type { Values } from './support/wire.ts';

const KINDS = ['personal', 'payment', 'health', 'secret', 'injection'] as const;
const OUTCOMES = ['off', 'flag', 'redact', 'quarantine', 'deny'] as const;
type Kind = (typeof KINDS)[number];
type Outcome = (typeof OUTCOMES)[number];

/** One rule for each kind, and for each outcome a tool, a prompt and a resource for which every kind has it. */
const RULES = [
  'inspection: 1',
  'version: matrix',
  'rules:',
  ...KINDS.flatMap((kind) => [
    `  - { id: ${kind}-mark, kind: ${kind}, pattern: "${kind}-MARK", tests: { match: [${kind}-MARK], pass: [x] } }`,
  ]),
  'tools:',
  ...OUTCOMES.flatMap((outcome) => {
    const each = KINDS.map((kind) => `${kind}: ${outcome}`).join(', ');
    return ['tool', 'prompt', 'file'].map((what) => `  ${what}-${outcome}: { outcomes: { ${each} } }`);
  }),
  '',
].join('\n');

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const text = (words: string): Values => ({ type: 'text', text: words });
const DONE: Values = { content: [text('done')] };

/** Where a server can put something in what it answers. */
const ANSWERS: Record<string, (mark: string) => Values> = {
  text: (mark) => ({ content: [text(`so: ${mark}.`)] }),
  'structured content': (mark) => ({ content: [], structuredContent: { deep: [{ x: mark }] } }),
  'name of a member': (mark) => ({ content: [], structuredContent: { [mark]: 1 } }),
  'embedded resource': (mark) => ({
    content: [{ type: 'resource', resource: { uri: 'note:///known', text: `a ${mark} b` } }],
  }),
  'base64 body': (mark) => ({
    content: [{ type: 'resource', resource: { uri: 'note:///known', blob: base64(`a ${mark} b`) } }],
  }),
  'image that is text': (mark) => ({ content: [{ type: 'image', mimeType: 'image/png', data: base64(mark) }] }),
  'resource link': (mark) => ({ content: [{ type: 'resource_link', uri: 'note:///known', name: mark }] }),
  annotations: (mark) => ({ content: [{ ...text('x'), _meta: { note: mark } }] }),
  _meta: (mark) => ({ content: [], _meta: { 'example/note': [mark] } }),
  'member that nobody knows': (mark) => ({ content: [], extra: mark }),
  'result that is an error': (mark) => ({ content: [text(mark)], isError: true }),
  'error message': (mark) => {
    throw new PeerError({ code: -32000, message: `failed: ${mark}` });
  },
  'error data': (mark) => {
    throw new PeerError({ code: -32000, message: 'failed', data: { why: [mark] } });
  },
};

/** What a server says before its answer, and what it asks. */
const BESIDES: Record<string, (moment: Moment, mark: string) => Promise<unknown> | undefined> = {
  'progress message': ({ progress }, mark) => void progress(1, mark),
  'log notification': ({ log }, mark) => void log('warning', { said: mark }),
  elicitation: ({ ask }, mark) =>
    ask('q', 'elicitation/create', {
      message: mark,
      requestedSchema: { type: 'object', properties: { city: { type: 'string', description: mark } } },
    }),
  sampling: ({ ask }, mark) =>
    ask('q', 'sampling/createMessage', {
      maxTokens: 5,
      systemPrompt: mark,
      messages: [{ role: 'user', content: text(mark) }],
    }),
};

/** What may not be passed on of these ends the call. */
const NOTICES = ['progress message', 'log notification'];

const serving = (peer: PeerServer): void => {
  peer.on('tools/call', async (moment) => {
    const { place, mark } = moment.params.arguments as { place: string; mark: string };
    await BESIDES[place]?.(moment, mark);
    return ANSWERS[place]?.(mark) ?? DONE;
  });
  const marks = ({ params }: Moment): string => String((params.arguments as Values | undefined)?.topic);
  peer.on('prompts/get', (moment) => ({ messages: [{ role: 'user', content: text(marks(moment)) }] }));
  peer.on('resources/read', ({ params }) => ({
    contents: [{ uri: params.uri, text: `here: ${new URL(String(params.uri)).pathname.slice(1)}-MARK` }],
  }));
  peer.on('completion/complete', ({ params }) => ({
    completion: { values: [(params.argument as Values).value], hasMore: false },
  }));
};

const SETUP: PeerSetup = {
  servers: { main: { family: 'handshake', asks: MAY_ASK, script: serving } },
  tools: Object.fromEntries(OUTCOMES.map((outcome) => [`tool-${outcome}`, { sensitivity: 'mnpi' }])),
  prompts: Object.fromEntries(OUTCOMES.map((outcome) => [`prompt-${outcome}`, {}])),
  resources: {
    known: { uri: 'note:///known' },
    ...Object.fromEntries(OUTCOMES.map((outcome) => [`file-${outcome}`, { template: `${outcome}:///{+path}` }])),
  },
  inspection: RULES,
};

/** What an agent is given for a request, and what it was told before: everything that reached it. */
interface Seen {
  reply: Reply;
  bytes: string;
}

async function seen(agent: Agent, method: string, params: Values): Promise<Seen> {
  const from = agent.bodies.length;
  const before = [agent.heard.items.length, agent.asked.items.length];
  const reply = await agent.request(method, params, { progressToken: 1 });
  const heard = [agent.heard.items.slice(before[0]), agent.asked.items.slice(before[1])];
  return { reply, bytes: `${agent.bodies.slice(from).join()} ${JSON.stringify(heard)} ${decodedIn(reply)}` };
}

/** What the bodies of an answer hold. */
function decodedIn(value: unknown): string {
  if (typeof value === 'string') return Buffer.from(value, 'base64').toString();
  return typeof value === 'object' && value !== null ? Object.values(value).map(decodedIn).join() : '';
}

const REFUSED: Record<Kind, string> = {
  personal: 'RESPONSE_CONTENT_REFUSED',
  payment: 'RESPONSE_CONTENT_REFUSED',
  health: 'RESPONSE_CONTENT_REFUSED',
  secret: 'RESPONSE_CONTENT_REFUSED',
  injection: 'RESPONSE_INJECTION_DETECTED',
};

function requests(outcome: Outcome, mark: string): [place: string, method: string, params: Values][] {
  const places = [...Object.keys(ANSWERS), ...Object.keys(BESIDES)];
  const calls = places.map((place): [string, string, Values] => [
    place,
    'tools/call',
    { name: `tool-${outcome}`, arguments: { place, mark } },
  ]);
  return [
    ...calls,
    ['prompt message', 'prompts/get', { name: `prompt-${outcome}`, arguments: { topic: mark } }],
    ['resource', 'resources/read', { uri: `${outcome}:///${mark.replace('-MARK', '')}` }],
    [
      'completion value',
      'completion/complete',
      { ref: { type: 'ref/prompt', name: `prompt-${outcome}` }, argument: { name: 'topic', value: mark } },
    ],
  ];
}

function check(kind: Kind, outcome: Outcome, place: string, { reply, bytes }: Seen): void {
  const title = `${kind} in ${place}, ${outcome}`;
  const passes = outcome === 'off' || outcome === 'flag';
  assert.equal(bytes.includes(`${kind}-MARK`), passes, title);
  if (outcome === 'redact') assert.match(bytes, new RegExp(`redacted: ${kind}-mark`), title);
  else assert.equal(bytes.includes('redacted:'), false, `${title}: all of it is withheld, or nothing`);
  if (NOTICES.includes(place) && outcome === 'deny') {
    assert.deepEqual([codeOf(reply), reply.error?.data?.mid_stream], [REFUSED[kind], true], title);
    return;
  }
  const isBeside = Object.hasOwn(BESIDES, place);
  if (passes || outcome === 'redact' || isBeside) {
    if (!place.startsWith('error')) assert.ok(reply.result, `${title}: ${JSON.stringify(reply)}`);
    return;
  }
  const expected = outcome === 'quarantine' ? ['RESPONSE_QUARANTINED', 'RESPONSE_CONTENT_REFUSED'] : [REFUSED[kind]];
  assert.ok(expected.includes(String(codeOf(reply))), `${title}: ${codeOf(reply)}`);
}

async function entriesOf(bed: PeerBed, agent: Agent, reply: Reply) {
  const { session_id } = receiptOf(reply);
  await bed.endSession(agent, session_id);
  return await bed.entries(session_id, ...KINDS.map((kind) => `${kind}-MARK`));
}

for (const kind of KINDS) {
  test(`what is found is off, flagged, taken out, held or withheld in every place of every answer: ${kind} [G18] [DET-08]`, () =>
    withPeers(SETUP, async (bed) => {
      const answer = ({ method }: { method: string }): Values =>
        method === 'elicitation/create'
          ? { action: 'accept', content: { city: 'x' } }
          : { role: 'assistant', content: text('y'), model: 'm' };
      const agent = await bed.agent('handshake', { capabilities: ABLE, answer });
      await agent.request('logging/setLevel', { level: 'warning' });
      let last: Reply = {};
      let done = 0;
      for (const outcome of OUTCOMES) {
        for (const [place, method, params] of requests(outcome, `${kind}-MARK`)) {
          const given = await seen(agent, method, params);
          check(kind, outcome, place, given);
          last = given.reply;
          done += 1;
        }
      }
      const entries = await entriesOf(bed, agent, last);
      const found = entries.filter(({ detail }) => String(detail?.found ?? '').includes(`${kind}-mark:`));
      // Everything but where the kind is off; asks are entered by themselves.
      assert.equal(found.length, (done / OUTCOMES.length) * (OUTCOMES.length - 1));
      const asked = entries.filter(({ action }) => action === 'elicit' || action === 'sample');
      const codes = new Set(asked.map(({ detail }) => detail?.error_code));
      assert.deepEqual([...codes], [undefined, REFUSED[kind]], 'what is asked is not held for later');
      const results = new Set(found.map((entry) => entry.response_inspection_result));
      assert.deepEqual([...results], [kind === 'injection' ? 'injection_detected' : 'pass']);
    }));
}
