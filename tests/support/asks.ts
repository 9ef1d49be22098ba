import type { Answer, Moment, PeerServer } from './peer-server.ts';
import type { Values } from './wire.ts';

export interface Question {
  method: string;
  params: Values;
}

/** What servers ask in the tests, by the name of the tool that asks it. */
export const QUESTIONS: Record<string, Question & { action: string; answer: Values }> = {
  form: {
    action: 'elicit',
    method: 'elicitation/create',
    params: {
      message: 'CANARY-question',
      requestedSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
    answer: { action: 'accept', content: { city: 'CANARY-answer' } },
  },
  login: {
    action: 'elicit',
    method: 'elicitation/create',
    params: { mode: 'url', message: 'CANARY-question', url: 'https://login.example/x', elicitationId: 'e-1' },
    answer: { action: 'accept' },
  },
  think: {
    action: 'sample',
    method: 'sampling/createMessage',
    params: { messages: [{ role: 'user', content: { type: 'text', text: 'CANARY-question' } }], maxTokens: 100 },
    answer: { role: 'assistant', content: { type: 'text', text: 'CANARY-answer' }, model: 'm' },
  },
  look: {
    action: 'list_roots',
    method: 'roots/list',
    params: {},
    answer: { roots: [{ uri: 'file:///CANARY-answer', name: 'work' }] },
  },
};

/** Asks the user for a city. */
export const FORM = QUESTIONS.form as (typeof QUESTIONS)[string];

/** Everything that the catalog can let a server ask. */
export const MAY_ASK = ['elicit', 'sample', 'list_roots'];

/** Tools that ask what is under their name, and answer with what they were told. */
export function asking(questions: Record<string, Question>): (peer: PeerServer) => void {
  return toldWith(async ({ ask, params }) => {
    const { method, params: asked } = questions[String(params.name)] ?? FORM;
    return { q: await ask('q', method, asked) };
  });
}

/** Tools that answer with what they were told. */
export function toldWith(work: (moment: Moment) => Promise<Record<string, Answer>>): (peer: PeerServer) => void {
  return (peer) => {
    peer.on('tools/call', async (moment) => {
      const told = await work(moment);
      return { content: [{ type: 'text', text: JSON.stringify(told) }] };
    });
  };
}

/** What such a tool was told. */
export function told(reply: { result?: Values }): Record<string, Answer> {
  const [block] = (reply.result?.content ?? []) as { text?: string }[];
  return JSON.parse(block?.text ?? '{}') as Record<string, Answer>;
}
