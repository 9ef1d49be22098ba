import type { OtherAction } from './types.ts';

/** Types of what a request is about. A `Resource` is a tool: the name is older than the resources of MCP. */
export type EntityType = 'Resource' | 'McpResource' | 'Prompt' | 'Server';

/** A member of the context, with its type in Cedar's text form. */
export interface Member {
  name: string;
  type: string;
  /** Not every request has it. */
  optional?: true;
}

/** What requests with these actions look like to policies. */
export interface ActionForm {
  actions: readonly OtherAction[];
  /** In words, for the schema's reader. */
  about: string;
  entities: readonly EntityType[];
  context: readonly Member[];
}

/** The group of all tools (contracts section 7). */
export const TOOL_GROUP = 'call_tool';

const DURING: Member = { name: 'during', type: 'String' };

/** Every action besides those of tools. A method that is not here is unreachable (architecture rule 1). */
export const ACTION_FORMS: readonly ActionForm[] = [
  {
    actions: ['read_resource', 'subscribe'],
    about: 'An agent reads a resource, or wants to hear when it changes.',
    entities: ['McpResource'],
    context: [{ name: 'uri', type: 'String' }],
  },
  {
    actions: ['get_prompt'],
    about: 'An agent gets a prompt, filled in with arguments.',
    entities: ['Prompt'],
    context: [
      { name: 'argument_names', type: 'Set<String>' },
      { name: 'arguments', type: 'Set<Argument>' },
    ],
  },
  {
    actions: ['complete'],
    about: 'An agent asks how to go on with an argument of a prompt, or of the template of a resource.',
    entities: ['Prompt', 'McpResource'],
    context: [{ name: 'argument', type: 'Argument' }],
  },
  {
    actions: ['get_task', 'update_task', 'cancel_task'],
    about: 'An agent asks after a task, answers what it asked, or ends it. The resource is the tool that made it.',
    entities: ['Resource'],
    context: [],
  },
  {
    actions: ['elicit'],
    about: 'A server asks the user of the agent, with a form or by sending the user to a host.',
    entities: ['Server'],
    context: [
      DURING,
      { name: 'mode', type: 'String' },
      { name: 'message', type: 'String' },
      { name: 'fields', type: 'Set<String>' },
      { name: 'host', type: 'String', optional: true },
    ],
  },
  {
    actions: ['sample'],
    about: 'A server asks the model of the agent.',
    entities: ['Server'],
    context: [
      DURING,
      { name: 'max_tokens', type: 'Long' },
      { name: 'messages', type: 'Long' },
      { name: 'include_context', type: 'String' },
      { name: 'system_prompt', type: 'Bool' },
      { name: 'tools', type: 'Bool' },
    ],
  },
  {
    actions: ['list_roots'],
    about: 'A server asks which folders the agent works in.',
    entities: ['Server'],
    context: [DURING],
  },
];

/** Members that the context of every request has, besides those of its action. */
export const COMMON_CONTEXT: readonly Member[] = [
  { name: 'session', type: 'Session' },
  { name: 'flow', type: 'Flow' },
  { name: 'caller', type: 'Caller' },
  { name: 'platform', type: 'String' },
  { name: 'trust_level', type: 'String' },
  { name: 'workflow', type: 'Workflow', optional: true },
  { name: 'approval', type: 'Approval', optional: true },
  { name: 'manifest', type: 'Manifest', optional: true },
  { name: 'response', type: 'Response', optional: true },
];
