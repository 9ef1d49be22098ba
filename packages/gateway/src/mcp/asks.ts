/**
 * What a server may ask of the side of the agent while it serves a request: the user (elicitation), the model (sampling),
 * or the folders that the agent works in (roots). The methods and their params are the same in every revision; only the way
 * they travel differs, and that is the families' business.
 */
import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';

/** Named like the policy's actions. */
export type AskKind = 'elicit' | 'sample' | 'list_roots';

export interface Ask {
  kind: AskKind;
  /** As the server sent them. */
  params: JsonObject;
}

const METHODS: ReadonlyMap<string, AskKind> = new Map([
  ['elicitation/create', 'elicit'],
  ['sampling/createMessage', 'sample'],
  ['roots/list', 'list_roots'],
]);

/** Null: no request that a server may make of a client, in any revision. */
export function askOf(method: JsonValue | undefined, params: JsonValue | undefined): Ask | null {
  const kind = typeof method === 'string' ? METHODS.get(method) : undefined;
  if (kind === undefined) return null;
  return { kind, params: isObject(params) ? params : {} };
}

/** Several asks by their keys, as 2026-07-28 and the gateway's own notes write them. */
export function inputRequests(asks: ReadonlyMap<string, Ask>): JsonObject {
  return Object.fromEntries([...asks].map(([key, { kind, params }]) => [key, { method: askMethod(kind), params }]));
}

/** The reverse of {@link inputRequests}. Null: not an object, or one of them is no request that a server may make. */
export function readInputRequests(value: JsonValue): Map<string, Ask> | null {
  if (!isObject(value)) return null;
  const asks = new Map<string, Ask>();
  for (const [key, request] of Object.entries(value)) {
    const ask = isObject(request) ? askOf(member(request, 'method'), member(request, 'params')) : null;
    if (ask === null) return null;
    asks.set(key, ask);
  }
  return asks;
}

export function askMethod(kind: AskKind): string {
  for (const [method, named] of METHODS) if (named === kind) return method;
  return '';
}

/** What a client declared that it can be asked, or can take. */
export interface ClientAbilities {
  elicitForm: boolean;
  elicitUrl: boolean;
  sample: boolean;
  sampleTools: boolean;
  sampleContext: boolean;
  roots: boolean;
  /** The tasks extension of 2026-07-28. */
  tasks: boolean;
}

export const NO_ABILITIES: ClientAbilities = {
  elicitForm: false,
  elicitUrl: false,
  sample: false,
  sampleTools: false,
  sampleContext: false,
  roots: false,
  tasks: false,
};

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';

/** Reads a `ClientCapabilities` object; the shape is the same in every revision. An empty `elicitation` means forms. */
export function readAbilities(capabilities: JsonObject): ClientAbilities {
  const elicitation = objectAt(capabilities, 'elicitation');
  const sampling = objectAt(capabilities, 'sampling');
  const extensions = objectAt(capabilities, 'extensions') ?? {};
  const url = elicitation !== null && Object.hasOwn(elicitation, 'url');
  return {
    elicitForm: elicitation !== null && (Object.hasOwn(elicitation, 'form') || !url),
    elicitUrl: url,
    sample: sampling !== null,
    sampleTools: sampling !== null && Object.hasOwn(sampling, 'tools'),
    sampleContext: sampling !== null && Object.hasOwn(sampling, 'context'),
    roots: objectAt(capabilities, 'roots') !== null,
    tasks: objectAt(extensions, TASKS_EXTENSION) !== null,
  };
}

/** The `ClientCapabilities` object that says the same. */
export function capabilitiesOf(abilities: ClientAbilities): JsonObject {
  const capabilities: JsonObject = {};
  if (abilities.elicitForm || abilities.elicitUrl) {
    capabilities.elicitation = {
      ...(abilities.elicitForm ? { form: {} } : {}),
      ...(abilities.elicitUrl ? { url: {} } : {}),
    };
  }
  if (abilities.sample) {
    capabilities.sampling = {
      ...(abilities.sampleTools ? { tools: {} } : {}),
      ...(abilities.sampleContext ? { context: {} } : {}),
    };
  }
  if (abilities.roots) capabilities.roots = {};
  if (abilities.tasks) capabilities.extensions = { [TASKS_EXTENSION]: {} };
  return capabilities;
}

function objectAt(object: JsonObject, key: string): JsonObject | null {
  const value = member(object, key);
  return isObject(value) ? value : null;
}
