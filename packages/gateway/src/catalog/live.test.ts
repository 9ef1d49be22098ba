import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { catalogOf, toolRecord } from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import type { LiveTool, Upstream } from '../upstream/types.ts';
import { LiveCatalog } from './live.ts';
import type { CatalogTool } from './types.ts';

/** A server whose tool list a test changes, withholds, and announces. */
class FakeServer {
  tools: LiveTool[];
  lists = 0;
  /** Runs in the middle of each listing: after the tools were read, before they are answered. */
  meanwhile: () => void | Promise<void> = () => undefined;
  readonly #listeners: (() => void)[] = [];

  constructor(tools: LiveTool[]) {
    this.tools = tools;
  }

  announce(): void {
    for (const listener of this.#listeners) listener();
  }

  connected(serverId: string): Upstream {
    return {
      serverId,
      listTools: async () => {
        this.lists += 1;
        const read = this.tools;
        await this.meanwhile();
        return read;
      },
      callTool: () => assert.fail('nothing is called here'),
      onChanged: (listener) => this.#listeners.push(listener),
      close: async () => undefined,
    };
  }
}

interface Bench {
  live: LiveCatalog;
  server: FakeServer;
  time: ManualTime;
  tool: CatalogTool;
  drifts: string[];
  unanswered: string[];
}

const definition = (description: string): JsonObject => ({
  name: 'echo',
  description,
  inputSchema: { type: 'object' },
});
const listed = (description: string): LiveTool[] => [{ name: 'echo', definition: definition(description) }];

function bench(): Bench {
  const catalog = catalogOf(toolRecord('echo', { definition: definition('approved') }));
  const [tool] = catalog.tools;
  assert.ok(tool);
  const server = new FakeServer(listed('approved'));
  const time = new ManualTime();
  const drifts: string[] = [];
  const unanswered: string[] = [];
  const live = new LiveCatalog(catalog, {
    clock: time,
    connect: ({ id }) => (id === 'local' ? server : new FakeServer([])).connected(id),
    onDrift: ({ name }, { kind }) => drifts.push(`${name} ${kind}`),
    onUnanswered: ({ id }, error) => unanswered.push(`${id} ${String(error)}`),
  });
  return { live, server, time, tool, drifts, unanswered };
}

test('definitions are compared on first contact, and not again while the comparison is fresh [D-22]', async () => {
  const { live, server, time, tool } = bench();
  await live.compared(tool);
  await live.compared(tool);
  time.advance(9 * 60_000);
  await live.compared(tool);
  assert.equal(server.lists, 1);
  assert.equal(live.drift(tool), null);
});

test('age makes a comparison due: a change without notice is found by the first call after ten minutes [D-22]', async () => {
  const { live, server, time, tool, drifts } = bench();
  await live.compared(tool);
  server.tools = listed('changed');
  time.advance(10 * 60_000);
  await live.compared(tool);
  assert.deepEqual(live.drift(tool), { kind: 'definition_changed', classification: 'description' });
  assert.deepEqual(drifts, ['echo definition_changed']);
});

test('age counts from when the list was asked for, not from when the answer came', async () => {
  const { live, server, time, tool } = bench();
  server.meanwhile = () => time.advance(5 * 60_000);
  await live.compared(tool);
  server.meanwhile = () => undefined;
  time.advance(5 * 60_000);
  await live.compared(tool);
  assert.equal(server.lists, 2);
});

test('a change notice is followed up at once, without a call [D-22]', async () => {
  const { live, server, tool, drifts } = bench();
  await live.compared(tool);
  server.tools = [];
  const answered = Promise.withResolvers<void>();
  server.meanwhile = answered.resolve;
  server.announce();
  await answered.promise;
  await live.compared(tool);
  assert.equal(server.lists, 2);
  assert.deepEqual(drifts, ['echo withdrawn']);
});

test('a list that was read before a change notice does not count as read after it [D-22] [D-46]', async () => {
  const { live, server, tool } = bench();
  server.meanwhile = () => {
    server.meanwhile = () => undefined;
    server.tools = listed('changed');
    server.announce();
  };
  await live.compared(tool);
  assert.notEqual(live.drift(tool), null);
  assert.equal(server.lists, 2);
});

test('a server that keeps announcing changes is given up on, for this call [D-22]', async () => {
  const { live, server, tool } = bench();
  server.meanwhile = () => server.announce();
  await assert.rejects(
    live.compared(tool),
    (error) => error instanceof GatewayError && error.code === 'UPSTREAM_UNAVAILABLE',
  );
  server.meanwhile = () => undefined;
  await live.compared(tool);
});

test('unanswered is not unchanged: the call is refused, and operators learn of it where nobody asked [D-22] [LIFE-03]', async () => {
  const { live, server, tool, unanswered } = bench();
  const failed = new GatewayError('UPSTREAM_TIMEOUT', 'no answer');
  server.meanwhile = () => {
    throw failed;
  };
  await assert.rejects(live.compared(tool), failed);
  live.contact();
  await assert.rejects(live.compared(tool), failed);
  assert.deepEqual(unanswered, [`local ${String(failed)}`]);
  server.meanwhile = () => undefined;
  await live.compared(tool);
  server.meanwhile = () => {
    throw failed;
  };
  server.announce();
  await assert.rejects(live.compared(tool), failed, 'what was compared before the notice no longer counts');
});

test('calls that wait for a comparison wait for the same one', async () => {
  const { live, server, tool } = bench();
  await Promise.all([live.compared(tool), live.compared(tool), live.compared(tool)]);
  assert.equal(server.lists, 1);
});

test('a drifted tool stays drifted when the server changes back, and is told of once [W-17]', async () => {
  const { live, server, time, tool, drifts } = bench();
  server.tools = listed('changed');
  await live.compared(tool);
  server.tools = listed('approved');
  time.advance(10 * 60_000);
  await live.compared(tool);
  server.tools = [];
  server.announce();
  await live.compared(tool);
  assert.deepEqual(live.drift(tool), { kind: 'definition_changed', classification: 'description' });
  assert.deepEqual(drifts, ['echo definition_changed']);
});
