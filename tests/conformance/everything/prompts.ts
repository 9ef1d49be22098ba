import {
  acceptedContent,
  type ContentBlock,
  completable,
  inputRequired,
  type McpServer,
  type PromptMessage,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { RED_PIXEL } from './samples.ts';

const CONTEXT = z.object({ context: z.string() });
const WORDS = ['paris', 'park', 'party', 'test', 'testament'];

/** The prompts, one of which asks before it answers. */
export function servePrompts(server: McpServer): void {
  server.registerPrompt('test_simple_prompt', { description: 'A prompt without arguments.' }, () => ({
    messages: [say('This is a simple prompt for testing.')],
  }));
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'A prompt of two arguments.',
      argsSchema: z.object({
        arg1: completable(z.string().describe('First test argument'), (typed) =>
          WORDS.filter((word) => word.startsWith(typed)),
        ),
        arg2: z.string().describe('Second test argument'),
      }),
    },
    ({ arg1, arg2 }) => ({ messages: [say(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    {
      description: 'A prompt with a resource inside.',
      argsSchema: z.object({ resourceUri: z.string().describe('The URI of the resource') }),
    },
    ({ resourceUri: uri }) => ({
      messages: [
        user({
          type: 'resource',
          resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
        }),
        say('Please process the embedded resource above.'),
      ],
    }),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'A prompt with an image inside.' }, () => ({
    messages: [user({ type: 'image', data: RED_PIXEL, mimeType: 'image/png' }), say('Please analyze the image above.')],
  }));
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'A prompt that asks the user for its context.' },
    (ctx) => {
      const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_context', CONTEXT);
      if (answer !== undefined) return { messages: [say(`Use this context: ${answer.context}`)] };
      const message = 'What context should the prompt use?';
      const user_context = inputRequired.elicit({ message, requestedSchema: CONTEXT });
      return inputRequired({ inputRequests: { user_context } });
    },
  );
}

function user(content: ContentBlock): PromptMessage {
  return { role: 'user', content };
}

function say(text: string): PromptMessage {
  return user({ type: 'text', text });
}
