import {
  type ElicitRequestFormParams,
  type InputRequest,
  type InputResponseView,
  inputRequired,
  inputResponse,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { NOTHING, type Tool, text, tool } from './tool.ts';

type Form = ElicitRequestFormParams['requestedSchema'];

const PERSON: Form = {
  type: 'object',
  properties: {
    username: { type: 'string', description: "User's response" },
    email: { type: 'string', description: "User's email address" },
  },
  required: ['username', 'email'],
};

/** A default of every primitive type. */
const DEFAULTS: Form = {
  type: 'object',
  properties: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
};

const OPTIONS = ['option1', 'option2', 'option3'];
const TITLED = ['First', 'Second', 'Third'].map((title, index) => ({ const: `value${index + 1}`, title }));

/** Every way to write a choice. */
const CHOICES: Form = {
  type: 'object',
  properties: {
    untitledSingle: { type: 'string', enum: OPTIONS },
    titledSingle: { type: 'string', oneOf: TITLED },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: OPTIONS } },
    titledMulti: { type: 'array', items: { anyOf: TITLED } },
  },
};

/**
 * The tools that ask one thing and tell what they heard. Written once for both families: a client that can be asked while
 * its call waits is, another gets the question as an interim result.
 */
export function askTools(): Tool[] {
  return [
    asking(
      'test_sampling',
      'Asks the model of the client.',
      z.object({ prompt: z.string() }),
      ({ prompt }) => sample(prompt, 100),
      (answer) => `LLM response: ${sampled(answer)}`,
    ),
    asking(
      'test_elicitation',
      'Asks the user for a name and an address.',
      z.object({ message: z.string() }),
      ({ message }) => inputRequired.elicit({ message, requestedSchema: PERSON }),
      (answer) => `User response: ${elicited(answer)}`,
    ),
    asking(
      'test_elicitation_sep1034_defaults',
      'Asks the user, with a default for every type.',
      NOTHING,
      () => inputRequired.elicit({ message: 'Please review your details', requestedSchema: DEFAULTS }),
      (answer) => `Elicitation completed: ${elicited(answer)}`,
    ),
    asking(
      'test_elicitation_sep1330_enums',
      'Asks the user to choose, in every way to write a choice.',
      NOTHING,
      () => inputRequired.elicit({ message: 'Please choose', requestedSchema: CHOICES }),
      (answer) => `Elicitation completed: ${elicited(answer)}`,
    ),
    asking(
      'test_streaming_elicitation',
      'Asks the user for a name and an address, on the stream of the call.',
      NOTHING,
      () => inputRequired.elicit({ message: 'Who are you?', requestedSchema: PERSON }),
      (answer) => `User response: ${elicited(answer)}`,
    ),
    asking(
      'test_missing_capability',
      'Needs a client with a model.',
      NOTHING,
      () => sample('Are you there?', 10),
      (answer) => `LLM response: ${sampled(answer)}`,
    ),
  ];
}

/** A question to the model of the client. */
export function sample(prompt: string, maxTokens: number): InputRequest {
  return inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens,
  });
}

const ANSWER = 'answer';

function asking<Input extends z.ZodType>(
  name: string,
  description: string,
  inputSchema: Input,
  question: (args: z.infer<Input>) => InputRequest,
  tell: (answer: InputResponseView) => string,
): Tool {
  return tool<z.ZodType>(name, description, inputSchema, (args, ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, ANSWER);
    if (answer.kind !== 'missing') return text(tell(answer));
    return inputRequired({ inputRequests: { [ANSWER]: question(args as z.infer<Input>) } });
  });
}

function elicited(answer: InputResponseView): string {
  if (answer.kind !== 'elicit') return `unexpected ${answer.kind}`;
  return `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
}

function sampled(answer: InputResponseView): string {
  if (answer.kind !== 'sampling') return `unexpected ${answer.kind}`;
  const [content] = [answer.result.content].flat();
  return content?.type === 'text' ? content.text : `a ${content?.type ?? 'void'}`;
}
