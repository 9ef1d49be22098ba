import { join } from 'node:path';
import { program, type RealServer } from './server.ts';

export const memory: RealServer = {
  name: 'memory',
  entry: ({ folder }) => ({
    ...program('@modelcontextprotocol/server-memory/dist/index.js'),
    env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') },
  }),
  steps: () => [
    [
      'create_entities',
      {
        entities: [
          { name: 'Ada', entityType: 'person', observations: ['writes programs', '日本語'] },
          { name: 'Engine', entityType: 'machine', observations: [] },
        ],
      },
    ],
    ['create_relations', { relations: [{ from: 'Ada', to: 'Engine', relationType: 'programs' }] }],
    ['add_observations', { observations: [{ entityName: 'Engine', contents: ['analytical', 'unfinished'] }] }],
    ['read_graph', {}],
    ['search_nodes', { query: 'analytical' }],
    ['open_nodes', { names: ['Ada'] }],
    ['delete_observations', { deletions: [{ entityName: 'Engine', observations: ['unfinished'] }] }],
    ['delete_relations', { relations: [{ from: 'Ada', to: 'Engine', relationType: 'programs' }] }],
    ['delete_entities', { entityNames: ['Engine'] }],
    ['read_graph', {}],
    // Its own failure.
    ['add_observations', { observations: [{ entityName: 'Nobody', contents: ['x'] }] }],
  ],
  failing: ['add_observations'],
  steady: (text) => text,
};
