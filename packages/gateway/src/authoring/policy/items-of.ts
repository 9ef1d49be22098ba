import type { Catalog, CatalogServer, Labels } from '../../catalog/types.ts';
import type { Asked } from '../../policy/types.ts';

/** The catalog's entries that say what the answer may show: for what a server asks, those of what it serves meanwhile. */
export function itemsOf(asked: Asked, catalog: Catalog): Labels[] {
  switch (asked.action) {
    case 'call_tool':
    case 'get_task':
    case 'update_task':
    case 'cancel_task':
      return [asked.tool];
    case 'read_resource':
    case 'subscribe':
      return [asked.resource];
    case 'get_prompt':
      return [asked.prompt];
    case 'complete':
      return [asked.of];
    case 'elicit':
    case 'sample':
    case 'list_roots':
      return offeredBy(asked.server, catalog).filter(({ name }) => name === asked.during);
  }
}

/** Everything that the catalog approves of a server. */
export function offeredBy({ id }: CatalogServer, { tools, resources, prompts }: Catalog): Labels[] {
  return [...tools, ...resources, ...prompts].filter(({ server }) => server.id === id);
}
