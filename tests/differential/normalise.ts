import { isObject, type JsonObject, type JsonValue, member, parseJson, stringifyJson } from '@cmcp/evidence';
import type { Seen, Step } from './agent.ts';
import type { Family } from './odd-server.ts';

/** Where a step was done. */
export interface Cell {
  agent: Family;
  server: Family;
  step: Step;
}

type Both = [ours: Seen, direct: Seen];

/** Something that must differ, and why. It makes the two sides alike in that alone. */
interface Rule {
  name: string;
  because: string;
  alike(cell: Cell, ours: Seen, direct: Seen): Both;
}

/** Resources that servers link to and the catalog does not approve. */
const UNAPPROVED = ['test://embedded-resource', 'test://mixed-content-resource', 'odd://secret', 'file:///etc/passwd'];
const WITHHELD =
  '[A resource was withheld: it is not in the approved catalog, or policy does not let this agent read it.]';

/** How the server that says its arguments writes that there are none. */
const NONE = /(?<="text":"(?:prompt_0 for )?)null"/g;

/** In the order in which they are applied: those that look at the gateway's own error code come first. */
const RULES: readonly Rule[] = [
  refusal('unknown names', 'Whatever the catalog does not hold is refused before its server hears of it.', [
    'TOOL_NOT_IN_CATALOG',
    'RESOURCE_NOT_IN_CATALOG',
    'PROMPT_NOT_IN_CATALOG',
  ]),
  refusal('parameters of a wrong shape', 'They cannot be decided, so the gateway refuses them in its own words.', [
    'INVALID_PARAMS',
  ]),
  refusal('methods that are not governed', 'They have no place on the path; only the code is the same.', [
    'METHOD_NOT_GOVERNED',
  ]),
  {
    name: 'arguments that do not fit',
    because: 'MCP25-15: the gateway says in its own words, as a failed tool, what does not fit the approved schema.',
    alike: (_, ours, direct) =>
      callOf(ours)?.error_code === 'ARGUMENTS_REFUSED' && failed(direct)
        ? [answered(ours, { error: 'arguments' }), answered(direct, { error: 'arguments' })]
        : [ours, direct],
  },
  {
    name: 'links to what is not approved',
    because: 'docs/mcp.md: such a block is replaced by a note.',
    alike: (_, ours, direct) => [ours, withResult(direct, (result) => withheld(result))],
  },
  {
    name: 'no arguments',
    because: 'What is decided and sent is an object of arguments, also where the agent gave none.',
    alike: ({ step }, ours, direct) =>
      step.params !== undefined && 'arguments' in step.params
        ? [ours, direct]
        : [
            ours,
            withResult(direct, (result) => parseJson(stringifyJson(result).replaceAll(NONE, '{}"')) as JsonObject),
          ],
  },
  each('receipts', 'The gateway tells under which entry a request is recorded.', (seen) =>
    withResult(seen, (result) => withoutMeta(result, 'io.cmcp/call')),
  ),
  each('data of errors', 'The gateway adds its own code and the ids of the entry to what the server said.', (seen) =>
    withError(seen, (error) => {
      const data = member(error, 'data');
      if (!isObject(data) || !('error_code' in data)) return error;
      const { error_code: _, call_id: __, 'io.cmcp/call': ___, upstream: ____, ...given } = data;
      const { data: _____, ...rest } = error;
      return Object.keys(given).length === 0 ? rest : { ...rest, data: given };
    }),
  ),
  each(
    'identity',
    'MCP26-21: who answers is the gateway.',
    (seen) => withResult(seen, (result) => withoutMeta(result, 'io.modelcontextprotocol/serverInfo')),
    'modern',
  ),
  each(
    'freshness',
    'MCP26-23: what is allowed depends on the caller, so nothing is public, and readings are not kept.',
    (seen) => withResult(seen, ({ ttlMs: _, cacheScope: __, ...result }) => result),
    'modern',
  ),
  each(
    'order of questions',
    'Questions of one round are put at the same time, and none has to come first.',
    (seen) => ({
      ...seen,
      asked: seen.asked.toSorted((one, other) => (stringifyJson(one) < stringifyJson(other) ? -1 : 1)),
    }),
  ),
  each('order of lists', 'MCP26-22: lists have one order, whatever the server had.', (seen) =>
    withResult(seen, (result) =>
      Object.fromEntries(Object.entries(result).map(([key, value]) => [key, LISTS.has(key) ? sorted(value) : value])),
    ),
  ),
];

/** Applies all rules, and remembers which made a difference. */
export class Normalisation {
  readonly #used = new Set<string>();

  both(cell: Cell, seen: Seen, direct: Seen): [string, string] {
    let both: Both = [seen, direct];
    for (const rule of RULES) {
      const before = both.map(written);
      both = rule.alike(cell, ...both);
      if (both.map(written).some((text, index) => text !== before[index])) this.#used.add(rule.name);
    }
    return [written(both[0]), written(both[1])];
  }

  unused(): string[] {
    return RULES.flatMap(({ name }) => (this.#used.has(name) ? [] : [name]));
  }
}

const LISTS = new Set(['tools', 'resources', 'resourceTemplates', 'prompts']);

/** Members in one order; numbers as they were written. */
const written = (seen: Seen): string => stringifyJson(ordered(seen as unknown as JsonValue));

function ordered(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, ordered(inner)]));
}

const sorted = (list: JsonValue): JsonValue =>
  Array.isArray(list) ? list.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)) : list;
const keyOf = (item: JsonValue): string =>
  isObject(item) ? stringifyJson(item.uri ?? item.uriTemplate ?? item.name ?? null) : '';

/** Both sides are changed alike; members that only one family has, for agents of that family only. */
function each(name: string, because: string, change: (seen: Seen) => Seen, of: Family | null = null): Rule {
  return {
    name,
    because,
    alike: ({ agent }, ours, direct) => (of === null || of === agent ? [change(ours), change(direct)] : [ours, direct]),
  };
}

/** Both refuse; what the gateway refuses by one of `codes` need not be in the server's words. */
function refusal(name: string, because: string, codes: string[]): Rule {
  return {
    name,
    because,
    alike: (_, ours, direct) => {
      const data = member((ours.answer.error ?? {}) as JsonObject, 'data');
      const refused = isObject(data) && codes.includes(String(data.error_code)) && 'error' in direct.answer;
      return refused ? [answered(ours, { error: name }), answered(direct, { error: name })] : [ours, direct];
    },
  };
}

function callOf({ answer }: Seen): JsonObject | undefined {
  const meta = isObject(answer.result) ? member(answer.result, '_meta') : undefined;
  const call = isObject(meta) ? meta['io.cmcp/call'] : undefined;
  return isObject(call) ? call : undefined;
}

const failed = ({ answer }: Seen): boolean =>
  'error' in answer || (isObject(answer.result) && answer.result.isError === true);

const answered = (seen: Seen, answer: JsonObject): Seen => ({ ...seen, answer });

function withResult(seen: Seen, change: (result: JsonObject) => JsonObject): Seen {
  const { result } = seen.answer;
  return isObject(result) ? answered(seen, { result: change(result) }) : seen;
}

function withError(seen: Seen, change: (error: JsonObject) => JsonObject): Seen {
  const { error } = seen.answer;
  return isObject(error) ? answered(seen, { error: change(error) }) : seen;
}

function withoutMeta(result: JsonObject, key: string): JsonObject {
  const { _meta: meta, ...rest } = result;
  if (!isObject(meta)) return result;
  const { [key]: _, ...kept } = meta;
  return Object.keys(kept).length === 0 ? rest : { ...rest, _meta: kept };
}

function withheld(result: JsonObject): JsonObject {
  const { content } = result;
  if (!Array.isArray(content)) return result;
  return {
    ...result,
    content: content.map((block) => (isUnapproved(block) ? { type: 'text', text: WITHHELD } : block)),
  };
}

function isUnapproved(block: JsonValue): boolean {
  if (!isObject(block)) return false;
  const resource = isObject(block.resource) ? block.resource : block;
  return typeof resource.uri === 'string' && UNAPPROVED.includes(resource.uri);
}
