import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { UpstreamMethod } from '../upstream/types.ts';
import { TASKS_EXTENSION } from './asks.ts';
import type { ChangeKind, ListKind } from './types.ts';

/** What a server says that it offers, of what the gateway can make use of. */
export interface ServerProfile {
  /** The server's own instructions as it states them. */
  readonly instructions: string | null;
  /** May this be sent? What a server does not offer is answered without asking it. */
  offers(method: UpstreamMethod): boolean;
  lists(kind: ListKind): boolean;
  /** The lists whose changes the server announces. */
  readonly announces: readonly ChangeKind[];
  /** The server announces changes of single resources. */
  readonly subscribes: boolean;
  readonly logs: boolean;
}

const CHANGE_KINDS: readonly ChangeKind[] = ['tools', 'resources', 'prompts'];
/** The capability that a method belongs to. `tools/call` has none here: whether a tool exists is for the server to say. */
const NEEDS: ReadonlyMap<string, string> = new Map([
  ['resources/read', 'resources'],
  ['prompts/get', 'prompts'],
  ['completion/complete', 'completions'],
]);
const LISTED_BY: Record<ListKind, ChangeKind> = {
  tools: 'tools',
  resources: 'resources',
  resourceTemplates: 'resources',
  prompts: 'prompts',
};

/** Reads an answer to `initialize` or `discover`. `tasks`: does the family have the tasks extension? */
export function readProfile(answer: JsonObject, tasks: boolean): ServerProfile {
  const capabilities = objectAt(answer, 'capabilities') ?? {};
  const resources = objectAt(capabilities, 'resources');
  const extensions = objectAt(capabilities, 'extensions') ?? {};
  const hasTasks = tasks && objectAt(extensions, TASKS_EXTENSION) !== null;
  const announces = CHANGE_KINDS.filter((kind) => isTrue(objectAt(capabilities, kind), 'listChanged'));
  return {
    instructions: readInstructions(answer),
    offers(method) {
      if (method.startsWith('tasks/')) return hasTasks;
      const needed = NEEDS.get(method);
      return needed === undefined || objectAt(capabilities, needed) !== null;
    },
    lists: (kind) => objectAt(capabilities, LISTED_BY[kind]) !== null,
    announces,
    subscribes: isTrue(resources, 'subscribe'),
    logs: objectAt(capabilities, 'logging') !== null,
  };
}

/** Of a server that is known to be there and did not say what it offers: everything is tried, nothing is announced. */
export function unstatedProfile(tasks: boolean): ServerProfile {
  return {
    instructions: null,
    offers: (method) => tasks || !method.startsWith('tasks/'),
    lists: () => true,
    announces: [],
    subscribes: false,
    logs: false,
  };
}

/** `instructions` of an answer to `initialize` or `discover`. */
export function readInstructions(answer: JsonObject): string | null {
  const instructions = member(answer, 'instructions');
  return typeof instructions === 'string' ? instructions : null;
}

function objectAt(object: JsonObject, key: string): JsonObject | null {
  const value = member(object, key);
  return isObject(value) ? value : null;
}

function isTrue(object: JsonObject | null, key: string): boolean {
  return object !== null && member(object, key) === true;
}
