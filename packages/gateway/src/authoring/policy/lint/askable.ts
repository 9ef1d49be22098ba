import type { Catalog } from '../../../catalog/types.ts';
import type { Asked } from '../../../policy/types.ts';

/** Stands where a request has a text, until it is replaced by what may be any. */
const ANY = 'any';

/** Everything that `catalog` lets anybody ask for: one of each kind for each entry, with particulars that stand for any. */
export function askedUnder({ tools, resources, prompts, servers }: Catalog): Asked[] {
  const during = ANY;
  const argument = { name: ANY, value: ANY };
  return [
    ...tools.flatMap((tool): Asked[] => [
      { action: 'call_tool', tool, arguments: {} },
      ...(['get_task', 'update_task', 'cancel_task'] as const).map((action) => ({ action, tool })),
    ]),
    ...resources.flatMap((resource): Asked[] => [
      { action: 'read_resource', resource, uri: ANY },
      { action: 'subscribe', resource, uri: ANY },
      { action: 'complete', of: resource, argument },
    ]),
    ...prompts.flatMap((prompt): Asked[] => [
      { action: 'get_prompt', prompt, arguments: {} },
      { action: 'complete', of: prompt, argument },
    ]),
    ...servers.flatMap((server) => {
      const sampling = { maxTokens: 1, messages: 1, includeContext: ANY, systemPrompt: true, tools: true };
      const asks: Asked[] = [
        { action: 'elicit', server, during, mode: 'form', message: ANY, fields: [ANY], host: null },
        { action: 'elicit', server, during, mode: 'url', message: ANY, fields: [], host: ANY },
        { action: 'sample', server, during, ...sampling },
        { action: 'list_roots', server, during },
      ];
      return asks.filter(({ action }) => server.asks.some((kind) => kind === action));
    }),
  ];
}

/** A request in words, for messages. */
export function nameOf(asked: Asked): string {
  switch (asked.action) {
    case 'call_tool':
      return `a call of "${asked.tool.name}"`;
    case 'get_task':
    case 'update_task':
    case 'cancel_task':
      return `${asked.action} of "${asked.tool.name}"`;
    case 'read_resource':
    case 'subscribe':
      return `${asked.action} of "${asked.resource.name}"`;
    case 'get_prompt':
      return `get_prompt of "${asked.prompt.name}"`;
    case 'complete':
      return `complete for "${asked.of.name}"`;
    default:
      return `${asked.action} by "${asked.server.id}"`;
  }
}
