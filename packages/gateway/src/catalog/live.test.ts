import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { type Approved, catalogWith, promptRecord, resourceRecord } from '../../../../tests/support/catalog.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { listed, OfferingServer } from '../../../../tests/support/offering-server.ts';
import { toolRecord } from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { LiveCatalog } from './live.ts';
import type { Catalog, CatalogPrompt, CatalogServer, CatalogTool } from './types.ts';

interface Bench {
  live: LiveCatalog;
  /** The server `local`, as the catalog names it. */
  local: CatalogServer;
  server: OfferingServer;
  time: ManualTime;
  /** What the name of `local` leads to, where that is more than one machine. */
  machines: OfferingServer[];
  /** Everything that was told, in the order in which it was. */
  told: string[];
}

const definition = (description: string): JsonObject => ({
  name: 'echo',
  description,
  inputSchema: { type: 'object' },
});
const tools = (description: string) => listed('tools', definition(description));
const prompts = (description: string) =>
  listed('prompts', { name: 'greet', description, arguments: [{ name: 'topic', required: true }] });

const ECHO = toolRecord('echo', { definition: definition('approved') });
const GREET = promptRecord('greet');

/** The server `local` offers the tool `echo` and the prompt `greet`, of which `approved` is approved. */
function benchOf(approved: Approved): Bench & { catalog: Catalog; web: OfferingServer } {
  const catalog = catalogWith(approved);
  const local = catalog.servers.find(({ id }) => id === 'local');
  assert.ok(local);
  const [server, web] = [new OfferingServer(), new OfferingServer()];
  server.offered.tools = tools('approved');
  server.offered.prompts = prompts('Says greet.');
  const time = new ManualTime();
  const told: string[] = [];
  const machines: OfferingServer[] = [];
  const live = new LiveCatalog(catalog, {
    clock: time,
    recheckMs: 10 * 60_000,
    connect: ({ id }) => (id === 'local' ? server : web).connected(id),
    replicas: async ({ id }) => (id === 'local' ? machines.map((machine) => machine.connected(id)) : []),
    onDrift: (drift) =>
      told.push('name' in drift ? `${drift.name} ${drift.kind}` : `${drift.server} states other instructions`),
    onUnanswered: ({ id }, error) => told.push(`${id} ${String(error)}`),
    announced: (kind) => told.push(`announced ${kind}`),
  });
  return { live, local, server, time, told, catalog, web, machines };
}

/** The tool is approved. */
function bench(): Bench & { tool: CatalogTool } {
  const { catalog, ...rest } = benchOf({ tools: [ECHO] });
  const [tool] = catalog.tools;
  assert.ok(tool);
  return { ...rest, tool };
}

/** The prompt is approved, and nothing else. */
function promptBench(): Bench & { prompt: CatalogPrompt } {
  const { catalog, ...rest } = benchOf({ prompts: [GREET] });
  const [prompt] = catalog.prompts;
  assert.ok(prompt);
  return { ...rest, prompt };
}

const NO_ANSWER = new GatewayError('UPSTREAM_TIMEOUT', 'no answer');
/** What becomes of a call then: nothing of it was sent, so its outcome is not unknown. */
const UNSENT = { code: 'UPSTREAM_UNAVAILABLE', cause: NO_ANSWER };
const silent = (): never => {
  throw NO_ANSWER;
};

/** Once the turns that are due have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('definitions are compared on first contact, and not again while the comparison is fresh [D-22]', async () => {
  const { live, local, server, time, tool } = bench();
  await live.compared(local, false);
  await live.compared(local, false);
  time.advance(9 * 60_000);
  await live.compared(local, false);
  assert.equal(server.asked.tools, 1);
  assert.equal(live.drift(tool), null);
});

test('age makes a comparison due: a change without notice is found by the first call after ten minutes [D-22]', async () => {
  const { live, local, server, time, tool, told } = bench();
  await live.compared(local, false);
  server.offered.tools = tools('changed');
  time.advance(10 * 60_000);
  await live.compared(local, false);
  assert.deepEqual(live.drift(tool), { kind: 'definition_changed', classification: 'description' });
  assert.deepEqual(told, ['echo definition_changed']);
});

test('age counts from when the list was asked for, not from when the answer came', async () => {
  const { live, local, server, time } = bench();
  server.meanwhile = () => time.advance(5 * 60_000);
  await live.compared(local, false);
  server.meanwhile = () => undefined;
  time.advance(5 * 60_000);
  await live.compared(local, false);
  assert.equal(server.asked.tools, 2);
});

test('a change notice is followed up at once, without a call [D-22]', async () => {
  const { live, local, server, told } = bench();
  await live.compared(local, false);
  server.offered.tools = [];
  const answered = Promise.withResolvers<void>();
  server.meanwhile = () => answered.resolve();
  server.announce('tools');
  await answered.promise;
  await live.compared(local, false);
  assert.equal(server.asked.tools, 2);
  assert.deepEqual(told, ['echo withdrawn', 'announced tools']);
});

test('a list that was read before a change notice does not count as read after it [D-22] [D-46]', async () => {
  const { live, local, server, tool } = bench();
  server.meanwhile = () => {
    server.meanwhile = () => undefined;
    server.offered.tools = tools('changed');
    server.announce('tools');
  };
  await live.compared(local, false);
  assert.notEqual(live.drift(tool), null);
  assert.equal(server.asked.tools, 2);
});

test('a server that keeps announcing changes is given up on, for this call [D-22]', async () => {
  const { live, local, server } = bench();
  server.meanwhile = () => server.announce('tools');
  await assert.rejects(
    live.compared(local, false),
    (error) => error instanceof GatewayError && error.code === 'UPSTREAM_UNAVAILABLE',
  );
  server.meanwhile = () => undefined;
  await live.compared(local, false);
});

test('unanswered is not unchanged: the call is refused, and operators learn of it where nobody asked [D-22] [LIFE-03]', async () => {
  const { live, local, server, told } = bench();
  server.meanwhile = silent;
  await assert.rejects(live.compared(local, false), UNSENT);
  live.contact();
  await assert.rejects(live.compared(local, false), UNSENT);
  assert.deepEqual(told, [`local ${String(NO_ANSWER)}`]);
  server.meanwhile = () => undefined;
  await live.compared(local, false);
  server.meanwhile = silent;
  server.announce('tools');
  await assert.rejects(live.compared(local, false), UNSENT, 'what was compared before the notice no longer counts');
});

test('calls that wait for a comparison wait for the same one', async () => {
  const { live, local, server } = bench();
  await Promise.all([live.compared(local, false), live.compared(local, false), live.compared(local, false)]);
  assert.equal(server.asked.tools, 1);
});

test('a drifted tool stays drifted when the server changes back, and is told of once [W-17]', async () => {
  const { live, local, server, time, tool, told } = bench();
  server.offered.tools = tools('changed');
  await live.compared(local, false);
  server.offered.tools = tools('approved');
  time.advance(10 * 60_000);
  await live.compared(local, false);
  server.offered.tools = [];
  server.announce('tools');
  await live.compared(local, false);
  assert.deepEqual(live.drift(tool), { kind: 'definition_changed', classification: 'description' });
  assert.deepEqual(told, ['echo definition_changed', 'announced tools']);
});

test('prompts are held to their pins as tools are [G16] [ATK-03]', async () => {
  const { live, local, server, time, prompt, told } = promptBench();
  await live.compared(local, false);
  assert.equal(live.drift(prompt), null);
  server.offered.prompts = listed('prompts', { name: 'greet', description: 'Says greet.' });
  server.announce('prompts');
  await live.compared(local, false);
  assert.deepEqual(live.drift(prompt), { kind: 'definition_changed', classification: 'arguments' });
  server.offered.prompts = prompts('Says greet.');
  time.advance(10 * 60_000);
  await live.compared(local, false);
  assert.deepEqual(live.drift(prompt), { kind: 'definition_changed', classification: 'arguments' });
  assert.deepEqual(told, ['greet definition_changed', 'announced prompts']);
});

test('a server that offers no prompts any more has withdrawn them', async () => {
  const { live, local, server, prompt } = promptBench();
  server.offered.prompts = [];
  await live.compared(local, false);
  assert.deepEqual(live.drift(prompt), { kind: 'withdrawn', classification: 'withdrawn' });
});

test('a tool and a prompt of one name drift apart', async () => {
  const { live, local, server, catalog } = benchOf({
    tools: [ECHO],
    prompts: [promptRecord('echo', { upstream_name: 'greet' })],
  });
  server.offered.tools = [];
  server.offered.prompts = listed('prompts', {
    name: 'greet',
    description: 'Says echo.',
    arguments: [{ name: 'topic', required: true }],
  });
  await live.compared(local, false);
  const [[tool], [prompt]] = [catalog.tools, catalog.prompts];
  assert.ok(tool && prompt);
  assert.equal(live.drift(tool)?.kind, 'withdrawn');
  assert.equal(live.drift(prompt), null);
});

test('instructions other than the approved ones are told of once, and count as withdrawn for good [MCP26-21] [W-17]', async () => {
  const { live, local, server, time, told } = benchOf({ servers: { local: { instructions: 'Be kind.' } } });
  server.stated = 'Be kind.';
  await live.compared(local, false);
  assert.equal(live.instructionsDrifted(local), false);
  server.stated = null;
  time.advance(10 * 60_000);
  await live.compared(local, false);
  assert.equal(live.instructionsDrifted(local), true);
  for (const stated of ['Be quick.', 'Be kind.']) {
    server.stated = stated;
    time.advance(10 * 60_000);
    await live.compared(local, false);
    assert.equal(live.instructionsDrifted(local), true);
  }
  assert.deepEqual(told, ['local states other instructions']);
});

test('a server is asked only for what is approved of it', async () => {
  const asked = async (approved: Approved): Promise<Record<string, number>> => {
    const { live, local, server } = benchOf(approved);
    live.contact();
    await live.compared(local, false);
    return Object.fromEntries(Object.entries(server.asked).filter(([, times]) => times > 0));
  };
  assert.deepEqual(await asked({}), {});
  assert.deepEqual(await asked({ resources: [resourceRecord('a', 'x:a')] }), {});
  assert.deepEqual(await asked({ tools: [ECHO] }), { tools: 1 });
  assert.deepEqual(await asked({ prompts: [GREET] }), { prompts: 1 });
  assert.deepEqual(await asked({ servers: { local: { instructions: 'x' } } }), { instructions: 1 });
});

test('what one kind shows is known although another was not answered, and the call is refused all the same', async () => {
  const { live, local, server, told } = benchOf({ tools: [ECHO], prompts: [GREET] });
  server.offered.tools = [];
  server.meanwhile = (question) => (question === 'prompts' ? silent() : undefined);
  await assert.rejects(live.compared(local, false), UNSENT);
  assert.deepEqual(told, ['echo withdrawn']);
});

test('an announcement is passed on once it is known what changed [MCP26-30]', async () => {
  const { live, local, server, told } = benchOf({ tools: [ECHO], prompts: [GREET] });
  await live.compared(local, false);
  const listing = Promise.withResolvers<void>();
  server.offered.tools = tools('changed');
  server.meanwhile = () => listing.promise;
  server.announce('tools');
  server.announce('tools');
  await settled();
  assert.deepEqual(told, []);
  listing.resolve();
  await live.compared(local, false);
  assert.deepEqual(told, ['echo definition_changed', 'announced tools']);
  server.announce('prompts');
  await live.compared(local, false);
  assert.deepEqual(told.slice(2), ['announced prompts']);
});

test('an announcement that could not be followed up is passed on when it was [MCP26-30]', async () => {
  const { live, local, server, told } = bench();
  await live.compared(local, false);
  server.meanwhile = silent;
  server.announce('tools');
  await settled();
  assert.deepEqual(told, [`local ${String(NO_ANSWER)}`]);
  server.meanwhile = () => undefined;
  await live.compared(local, false);
  assert.deepEqual(told.slice(1), ['announced tools']);
  await live.compared(local, false);
  assert.equal(told.length, 2);
});

test('resources are not compared: their announcement is passed on at once, and a flood in one turn is one', async () => {
  const { server, told } = benchOf({ resources: [resourceRecord('a', 'x:a')] });
  for (let times = 0; times < 1000; times += 1) server.announce('resources');
  await settled();
  assert.deepEqual(told, ['announced resources']);
  server.announce('resources');
  await settled();
  assert.deepEqual(told, ['announced resources', 'announced resources']);
  assert.deepEqual(Object.values(server.asked), [0, 0, 0, 0, 0]);
});

test('an announcement of what nothing is approved of is not passed on, and what is approved is compared all the same', async () => {
  const { live, local, server, told } = bench();
  await live.compared(local, false);
  server.announce('resources');
  server.announce('prompts');
  await settled();
  await live.compared(local, false);
  assert.deepEqual(told, []);
  assert.equal(server.asked.tools, 2);
});

test('a server that is silent affects its own items only [LIFE-03]', async () => {
  const { live, local, web, catalog, told } = benchOf({ tools: [ECHO, toolRecord('search', { server: 'web' })] });
  web.meanwhile = () => new Promise(() => undefined);
  const other = catalog.servers.find(({ id }) => id === 'web');
  assert.ok(other);
  const waiting = live.compared(other, false).then(() => assert.fail('a silent server was compared'));
  live.contact();
  assert.equal((await live.compared(local, false)).serverId, 'local');
  assert.equal(await Promise.race([waiting, settled().then(() => 'still waiting')]), 'still waiting');
  assert.deepEqual(told, []);
});

test('a recheck finds drift without a call, and announces nothing that no server announced [D-22]', async () => {
  const { live, server, tool, told } = bench();
  live.contact();
  await settled();
  server.offered.tools = tools('changed');
  live.recheck();
  await settled();
  assert.deepEqual(live.drift(tool), { kind: 'definition_changed', classification: 'description' });
  assert.deepEqual(told, ['echo definition_changed']);
});

test('a recheck that is not answered is reported, and makes the next call ask again [D-22]', async () => {
  const { live, local, server, told } = bench();
  await live.compared(local, false);
  server.meanwhile = silent;
  live.recheck();
  await settled();
  assert.deepEqual(told, [`local ${String(NO_ANSWER)}`]);
  await assert.rejects(live.compared(local, false), UNSENT);
  server.meanwhile = () => undefined;
  await live.compared(local, false);
  assert.equal(server.asked.tools, 4);
});

test('a call that wants a comparison anew gets one, however fresh the last one is, and none from before it asked [D-22]', async () => {
  const { live, local, server, tool } = bench();
  await live.compared(local, false);
  server.offered.tools = tools('changed');
  await live.compared(local, false);
  assert.equal(live.drift(tool), null);
  await live.compared(local, true);
  assert.notEqual(live.drift(tool), null);
  assert.equal(server.asked.tools, 2);
});

test('calls that want a comparison anew at once share one, which begins after the one that is under way [D-22]', async () => {
  const { live, local, server, tool } = bench();
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  server.meanwhile = () => {
    asked.resolve();
    return answered.promise;
  };
  const first = live.compared(local, true);
  await asked.promise;
  // The list that is under way was read before this.
  server.offered.tools = tools('changed');
  server.meanwhile = () => undefined;
  const others = Array.from({ length: 5 }, () => live.compared(local, true));
  answered.resolve();
  await Promise.all([first, ...others]);
  assert.equal(server.asked.tools, 2);
  assert.notEqual(live.drift(tool), null);
});

test('a comparison anew that is not answered is not made up for by an earlier one [D-22]', async () => {
  const { live, local, server } = bench();
  await live.compared(local, false);
  server.meanwhile = silent;
  await assert.rejects(live.compared(local, true), UNSENT);
});

test('what is remembered stays refused, of a server that says what was approved [W-17]', async () => {
  const before = bench();
  before.server.offered.tools = tools('changed');
  await before.live.compared(before.local, false);
  const { live, local, tool, told } = bench();
  live.remember([...before.live.known(), { server: 'gone', of: 'instructions' }]);
  await live.compared(local, false);
  assert.deepEqual(live.drift(tool), { kind: 'definition_changed', classification: 'description' });
  assert.deepEqual(live.known(), before.live.known());
  assert.deepEqual(told, []);
});

/** A machine of `local` that offers the tool with this description. */
function machine(description: string): OfferingServer {
  const one = new OfferingServer();
  one.offered.tools = tools(description);
  one.offered.prompts = prompts('Says greet.');
  return one;
}

test('every machine that a name leads to is compared, at first contact and at each recheck [ERA-05] [D-22]', async () => {
  const { live, local, tool, machines } = bench();
  machines.push(machine('approved'), machine('approved'));
  await live.compared(local, false);
  await live.compared(local, true);
  assert.deepEqual(
    machines.map(({ asked }) => asked.tools),
    [1, 1],
    'a call alone asks the server, not every machine',
  );
  machines.push(machine('changed'));
  live.recheck();
  await live.compared(local, false);
  assert.notEqual(live.drift(tool), null);
});

test('a machine that cannot be reached takes no calls, and one that does not answer is not taken to be unchanged [ERA-05] [D-22]', async () => {
  const { live, local, machines } = bench();
  const [down, mute] = [machine('approved'), machine('approved')];
  machines.push(machine('approved'), down);
  down.meanwhile = () => {
    throw new GatewayError('UPSTREAM_UNAVAILABLE', 'refused');
  };
  await live.compared(local, false);
  machines.push(mute);
  mute.meanwhile = silent;
  live.recheck();
  await assert.rejects(live.compared(local, false), UNSENT);
  mute.meanwhile = () => undefined;
  await live.compared(local, false);
});
