import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import {
  approvedRecord,
  promptRecord,
  resourceRecord,
  templateRecord,
} from '../../../../../../tests/support/catalog.ts';
import { listed } from '../../../../../../tests/support/offering-server.ts';
import { toolRecord } from '../../../../../../tests/support/policy.ts';
import type { CatalogServer } from '../../../catalog/types.ts';
import { type AskedServer, type CatalogRecords, refreshed, withServer } from './merge.ts';

const STDIO: CatalogServer['transport'] = {
  kind: 'stdio',
  command: '/usr/bin/true',
  args: [],
  binaryDigest: null,
  measureTarget: null,
};
const tool = (name: string, members: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: 'object' },
  ...members,
});

function asked(members: Partial<AskedServer> & { offers?: Partial<AskedServer['offered']> } = {}): AskedServer {
  const { offers, ...rest } = members;
  const offered = { tools: [], resources: [], resourceTemplates: [], prompts: [], ...offers };
  return { id: 'local', transport: STDIO, offered, instructions: null, untold: [], ...rest };
}

const records = (members: Parameters<typeof approvedRecord>[0]) => approvedRecord(members) as CatalogRecords;

test('the definition is the server’s, everything else stays what people set, and who approved the old one did not approve it', () => {
  const set = { alias: 'seek', effects: 'write', sensitivity: 'pii', upstream_name: 'find' };
  const approval = { approved_by: 'ada', approved_at: '2026-01-01' };
  const catalog = records({ tools: [toolRecord('search', { ...set, approval })] });
  const definition = tool('find', { title: 'New', icons: [{ src: 'data:,' }] });
  const [record] = refreshed(catalog, asked({ offers: { tools: listed('tools', definition) } }), false).tools;
  assert.deepEqual(record, { ...toolRecord('search', set), definition });
  const same = asked({ offers: { tools: listed('tools', catalog.tools[0]?.definition as JsonObject) } });
  assert.deepEqual(refreshed(catalog, same, true), catalog, 'what is as it was keeps its approval');
});

test('what is listed no more is gone, unless the server would not list its kind', () => {
  const catalog = records({ tools: [toolRecord('a')], prompts: [promptRecord('p')] });
  const gone = refreshed(catalog, asked(), false);
  assert.deepEqual([gone.tools, gone.prompts], [[], []]);
  const kept = refreshed(catalog, asked({ untold: ['prompts'] }), false);
  assert.deepEqual([kept.tools.length, kept.prompts.length], [0, 1]);
});

test('resources are approved by URI: they stay, and take the definition that is listed', () => {
  const catalog = records({ resources: [resourceRecord('a', 'note:///a'), templateRecord('t', 'note:///{id}')] });
  assert.deepEqual(refreshed(catalog, asked(), true), catalog);
  const offers = {
    resources: listed('resources', { uri: 'note:///a', name: 'Other' }),
    resourceTemplates: listed('resourceTemplates', { uriTemplate: 'note:///{id}', name: 'Any' }),
  };
  const { resources } = refreshed(catalog, asked({ offers }), true);
  assert.deepEqual(
    resources.map(({ definition }) => (definition as JsonObject).name),
    ['Other', 'Any'],
  );
});

test('instructions are those that the server states, or none, or untouched where it would not say', () => {
  const catalog = records({ servers: { local: { instructions: 'Old.', asks: ['elicit'] } } });
  const after = (members: Partial<AskedServer>) => refreshed(catalog, asked(members), false).servers[0];
  assert.deepEqual(after({ instructions: 'New.' }), { ...catalog.servers[0], instructions: 'New.' });
  assert.equal(after({})?.instructions, undefined);
  assert.deepEqual(after({ untold: ['instructions'] }), catalog.servers[0]);
});

test('what is new is added under a name that cannot be taken for one that is there, aliases included', () => {
  const catalog = records({ tools: [toolRecord('other', { alias: 'seek', server: 'web' })] });
  const offers = { tools: listed('tools', tool('Seek'), tool('fresh')) };
  const names = refreshed(catalog, asked({ offers }), true).tools.map(({ name, upstream_name }) => [
    name,
    upstream_name,
  ]);
  assert.deepEqual(names, [
    ['other', undefined],
    ['local__Seek', 'Seek'],
    ['fresh', undefined],
  ]);
  assert.equal(refreshed(catalog, asked({ offers }), false).tools.length, 1);
});

test('records of other servers are not touched', () => {
  const catalog = records({
    tools: [toolRecord('a', { server: 'web' })],
    prompts: [promptRecord('p', { server: 'web' })],
  });
  assert.deepEqual(refreshed(catalog, asked(), true), catalog);
});

test('a server is added with all that it offers', () => {
  const listing = asked({
    id: 'new',
    displayName: 'New',
    instructions: 'Be kind.',
    offers: { tools: listed('tools', tool('a')) },
  });
  const { servers, tools } = withServer(records({}), listing);
  assert.equal(servers.at(-1)?.instructions, 'Be kind.');
  assert.deepEqual([tools[0]?.server, tools[0]?.name], ['new', 'a']);
});
