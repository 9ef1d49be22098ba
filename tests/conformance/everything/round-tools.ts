import {
  acceptedContent,
  type ClientCapabilities,
  type InputRequests,
  inputRequired,
  inputResponse,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { sample } from './ask-tools.ts';
import type { RoundState, Surroundings } from './shared.ts';
import { NOTHING, type Tool, type ToolAnswer, text, tool } from './tool.ts';

const NAME = z.object({ name: z.string() });
const COLOUR = z.object({ color: z.string() });
const OK = z.object({ ok: z.boolean() });

const whatIsYourName = inputRequired.elicit({ message: 'What is your name?', requestedSchema: NAME });

/** The tools of `input_required`: each asks in an interim result and is called again with the answers. */
export function roundTools(around: Surroundings): Tool[] {
  const { state } = around;
  const round = (name: string, description: string, run: (ctx: ServerContext) => ToolAnswer | Promise<ToolAnswer>) =>
    tool(`test_input_required_result_${name}`, description, NOTHING, (_, ctx) => run(ctx));
  /** Asks for a yes, and wants the state of that round back with it. */
  const confirmed = (name: string, description: string) =>
    round(name, description, async (ctx) => {
      const yes = acceptedContent(ctx.mcpReq.inputResponses, 'confirm', OK);
      if (yes !== undefined && stepOf(ctx, name) === 1) return text(`state-ok, and you said ${yes.ok}`);
      const confirm = inputRequired.elicit({ message: 'Please confirm', requestedSchema: OK });
      return inputRequired({
        inputRequests: { confirm },
        requestState: await state.mint({ of: name, step: 1 }),
      });
    });
  return [
    round('elicitation', 'Asks the user for a name.', (ctx) => {
      const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_name', NAME);
      if (answer !== undefined) return text(`Hello, ${answer.name}!`);
      return inputRequired({ inputRequests: { user_name: whatIsYourName } });
    }),
    round('sampling', 'Asks the model of the client for a capital.', (ctx) => {
      const answer = inputResponse(ctx.mcpReq.inputResponses, 'capital_question');
      if (answer.kind === 'sampling') return text(`The model said ${JSON.stringify(answer.result.content)}`);
      return inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?', 100) } });
    }),
    round('list_roots', 'Asks the client for its roots.', (ctx) => {
      const answer = inputResponse(ctx.mcpReq.inputResponses, 'client_roots');
      if (answer.kind === 'roots') return text(`Your roots: ${answer.roots.map(({ uri }) => uri).join(', ')}`);
      return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    }),
    confirmed('request_state', 'Asks for a yes and keeps its state with the client.'),
    confirmed('tampered_state', 'Asks for a yes and refuses a state that was changed.'),
    round('multiple_inputs', 'Asks for three things in one round.', async (ctx) => {
      const responses = ctx.mcpReq.inputResponses;
      const name = acceptedContent(responses, 'user_name', NAME)?.name;
      const greeting = inputResponse(responses, 'greeting');
      const roots = inputResponse(responses, 'client_roots');
      const whole = name !== undefined && greeting.kind === 'sampling' && roots.kind === 'roots';
      if (whole && stepOf(ctx, 'multiple_inputs') === 1) return text(`${name} has ${roots.roots.length} roots`);
      return inputRequired({
        inputRequests: {
          user_name: whatIsYourName,
          greeting: sample('Generate a greeting', 50),
          client_roots: inputRequired.listRoots(),
        },
        requestState: await state.mint({ of: 'multiple_inputs', step: 1 }),
      });
    }),
    round('multi_round', 'Asks twice, the second time after the first.', async (ctx) => {
      const ask = async (step: number, inputRequests: InputRequests) =>
        inputRequired({ inputRequests, requestState: await state.mint({ of: 'multi_round', step }) });
      const responses = ctx.mcpReq.inputResponses;
      const step = stepOf(ctx, 'multi_round');
      const colour = acceptedContent(responses, 'step2', COLOUR)?.color;
      if (step === 2 && colour !== undefined) return text(`You like ${colour}`);
      if (step === 1 && acceptedContent(responses, 'step1', NAME) !== undefined) {
        const message = 'Step 2: What is your favorite color?';
        return ask(2, { step2: inputRequired.elicit({ message, requestedSchema: COLOUR }) });
      }
      return ask(1, { step1: inputRequired.elicit({ message: 'Step 1: What is your name?', requestedSchema: NAME }) });
    }),
    round('capabilities', 'Asks what the client says it can answer, and nothing else.', (ctx) => {
      if (ctx.mcpReq.inputResponses !== undefined) return text('Heard.');
      const inputRequests = answerable(around.capabilitiesOf(ctx));
      return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : text('You answer nothing.');
    }),
  ];
}

/** The round that the state of a request is of. The SDK has checked its signature. */
function stepOf(ctx: ServerContext, name: string): number {
  const state = ctx.mcpReq.requestState<RoundState>();
  return state?.of === name ? state.step : 0;
}

function answerable({ elicitation, sampling, roots }: ClientCapabilities): InputRequests {
  return {
    ...(elicitation && { user_name: whatIsYourName }),
    ...(sampling && { question: sample('What is the capital of France?', 100) }),
    ...(roots && { client_roots: inputRequired.listRoots() }),
  };
}
