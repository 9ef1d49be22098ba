import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Approved,
  catalogWith,
  promptRecord,
  resourceRecord,
  templateRecord,
} from '../../../../tests/support/catalog.ts';
import { listed, OfferingServer } from '../../../../tests/support/offering-server.ts';
import { toolRecord } from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { checkServer, type ServerCheck, uncheckedServer } from './check-server.ts';

const TOOL = toolRecord('echo', { definition: { name: 'echo', inputSchema: {} } });
const PROMPT = promptRecord('greet', { definition: { name: 'greet' } });
const APPROVED: Approved = {
  tools: [TOOL],
  resources: [resourceRecord('readme', 'x:/readme'), templateRecord('notes', 'x:/notes/{id}')],
  prompts: [PROMPT],
  servers: { local: { instructions: 'Be kind.' } },
};

/** The server `local`, which offers what `APPROVED` approves. */
function server(): OfferingServer {
  const offering = new OfferingServer();
  offering.offered.tools = listed('tools', { name: 'echo', inputSchema: {} });
  offering.offered.prompts = listed('prompts', { name: 'greet' });
  offering.offered.resources = listed('resources', { uri: 'x:/readme', name: 'any' });
  offering.offered.resourceTemplates = listed('resourceTemplates', { uriTemplate: 'x:/notes/{id}', name: 'any' });
  offering.stated = 'Be kind.';
  return offering;
}

function check(offering: OfferingServer, approved: Approved = APPROVED): Promise<ServerCheck> {
  const catalog = catalogWith(approved);
  const local = catalog.servers.find(({ id }) => id === 'local');
  assert.ok(local);
  return checkServer(catalog, local, offering.connected('local'));
}

const refusing = (...questions: string[]) => {
  const offering = server();
  offering.meanwhile = (question) => {
    if (questions.includes(question)) throw new GatewayError('UPSTREAM_TOOL_ERROR', `no ${question}`);
  };
  return offering;
};

test('a server that offers what was approved is as approved, in every kind', async () => {
  assert.deepEqual(await check(server()), {
    id: 'local',
    name: 'local',
    status: 'as approved',
    approved: 1,
    changed: [],
    unapproved: [],
    resources: { approved: 1, unapproved: [] },
    templates: { approved: 1, unapproved: [] },
    prompts: { approved: 1, changed: [], unapproved: [] },
    instructions: 'as approved',
    detail: null,
  });
});

test('a changed or withdrawn tool or prompt, and other instructions, are each a change [G16] [MCP26-21]', async () => {
  const prompt = server();
  prompt.offered.prompts = listed('prompts', { name: 'greet', title: 'Greet' });
  const changed = await check(prompt);
  assert.deepEqual([changed.status, changed.changed], ['changed', []]);
  assert.deepEqual(changed.prompts.changed, [{ prompt: 'greet', kind: 'definition_changed', classification: 'title' }]);
  const withdrawn = server();
  withdrawn.offered.tools = [];
  withdrawn.offered.prompts = [];
  const gone = await check(withdrawn);
  assert.equal(gone.status, 'changed');
  assert.deepEqual(gone.changed, [{ tool: 'echo', kind: 'withdrawn', classification: 'withdrawn' }]);
  assert.deepEqual(gone.prompts.changed, [{ prompt: 'greet', kind: 'withdrawn', classification: 'withdrawn' }]);
  for (const stated of ['Be quick.', null]) {
    const other = server();
    other.stated = stated;
    const { status, instructions } = await check(other);
    assert.deepEqual([status, instructions], ['changed', 'changed']);
  }
});

test('what is offered and not approved is listed, and is no change', async () => {
  const offering = server();
  offering.offered.tools.push(...listed('tools', { name: 'new' }));
  offering.offered.prompts.push(...listed('prompts', { name: 'new' }));
  offering.offered.resources.push(
    ...listed('resources', { uri: 'x:/new', name: 'n' }, { uri: 'x:/notes/7', name: 'n' }),
  );
  offering.offered.resourceTemplates.push(...listed('resourceTemplates', { uriTemplate: 'x:/{+all}', name: 'n' }));
  const { status, unapproved, prompts, resources, templates } = await check(offering);
  assert.equal(status, 'as approved');
  assert.deepEqual([unapproved, prompts.unapproved], [['new'], ['new']]);
  assert.deepEqual(resources.unapproved, ['x:/new'], 'a pattern approves what it stands for');
  assert.deepEqual(templates.unapproved, ['x:/{+all}']);
  const { servers: _none, ...unspoken } = APPROVED;
  const told = await check(server(), unspoken);
  assert.deepEqual([told.status, told.instructions], ['as approved', 'not approved']);
  const silent = server();
  silent.stated = '';
  assert.equal((await check(silent, unspoken)).instructions, 'none');
});

test('resources are pinned by URI: what the server says of them, or does not list, is no change', async () => {
  const offering = server();
  offering.offered.resources = [];
  offering.offered.resourceTemplates = listed('resourceTemplates', { uriTemplate: 'x:/notes/{id}', name: 'changed' });
  assert.equal((await check(offering)).status, 'as approved');
});

test('a server that does not answer for what must be compared is unreachable; for the rest it is said', async () => {
  for (const question of ['tools', 'prompts', 'instructions']) {
    const { status, detail, approved, prompts } = await check(refusing(question));
    assert.equal(status, 'unreachable', question);
    assert.match(detail ?? '', new RegExp(`UPSTREAM_TOOL_ERROR: no ${question}`));
    assert.deepEqual([approved, prompts.approved], [1, 1]);
  }
  const { status, detail } = await check(refusing('resources', 'resourceTemplates'));
  assert.equal(status, 'as approved');
  assert.equal(
    detail,
    'resources: UPSTREAM_TOOL_ERROR: no resources; templates: UPSTREAM_TOOL_ERROR: no resourceTemplates',
  );
  const toolsOnly = await check(refusing('prompts', 'instructions'), { tools: [TOOL] });
  assert.equal(toolsOnly.status, 'as approved');
});

test('what is no answer of a server is not taken for one', async () => {
  const offering = server();
  const broken = new TypeError('a defect');
  offering.meanwhile = () => {
    throw broken;
  };
  await assert.rejects(check(offering), broken);
});

test('a server that is not asked is known by what is approved of it', () => {
  const catalog = catalogWith(APPROVED);
  const [local, web] = catalog.servers;
  assert.ok(local && web);
  const known = uncheckedServer(catalog, local, 'not asked', null);
  assert.deepEqual([known.status, known.approved, known.instructions], ['not asked', 1, 'not asked']);
  assert.deepEqual([known.resources.approved, known.templates.approved, known.prompts.approved], [1, 1, 1]);
  const other = uncheckedServer(catalog, web, 'not asked', null);
  assert.deepEqual([other.approved, other.instructions], [0, 'none']);
});
