import { type McpServer, ResourceTemplate, type ServerEvent } from '@modelcontextprotocol/server';
import { RED_PIXEL } from './samples.ts';

/** How long an answer that never changes may be kept, by anyone. */
const FIXED = { ttlMs: 60_000, cacheScope: 'public' as const };

/** The resources: two fixed ones, one to watch, and a template. */
export function serveResources(server: McpServer): void {
  server.registerResource(
    'static-text',
    'test://static-text',
    { description: 'A text that never changes.', mimeType: 'text/plain', cacheHint: FIXED },
    ({ href: uri }) => ({
      contents: [{ uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }],
    }),
  );
  server.registerResource(
    'static-binary',
    'test://static-binary',
    { description: 'An image that never changes.', mimeType: 'image/png', cacheHint: FIXED },
    ({ href: uri }) => ({ contents: [{ uri, mimeType: 'image/png', blob: RED_PIXEL }] }),
  );
  server.registerResource(
    'watched-resource',
    'test://watched-resource',
    { description: 'A text that one can subscribe to.', mimeType: 'text/plain' },
    ({ href: uri }) => ({ contents: [{ uri, mimeType: 'text/plain', text: 'Watched resource content.' }] }),
  );
  server.registerResource(
    'template-data',
    new ResourceTemplate('test://template/{id}/data', {
      list: undefined,
      complete: { id: (value) => ['123', '124', '200'].filter((id) => id.startsWith(value)) },
    }),
    { description: 'The data of an id.', mimeType: 'application/json' },
    ({ href: uri }, { id }) => ({
      contents: [
        {
          uri,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
        },
      ],
    }),
  );
}

/** What the client of one session has subscribed to by its handshake revision's own methods. */
export class Subscriptions {
  readonly #uris = new Set<string>();

  constructor(server: McpServer) {
    server.server.setRequestHandler('resources/subscribe', ({ params }) => {
      this.#uris.add(params.uri);
      return {};
    });
    server.server.setRequestHandler('resources/unsubscribe', ({ params }) => {
      this.#uris.delete(params.uri);
      return {};
    });
  }

  wants(event: ServerEvent): boolean {
    return event.kind !== 'resource_updated' || this.#uris.has(event.uri);
  }
}
