import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listed, OfferingServer } from '../../../../tests/support/offering-server.ts';
import { GatewayError } from '../errors.ts';
import { offeredBy } from './offered.ts';

const REFUSED = new GatewayError('UPSTREAM_TOOL_ERROR', 'Method not found');

/** A server with one of each kind. */
function server(): OfferingServer {
  const offering = new OfferingServer();
  offering.offered.tools = listed('tools', { name: 'echo' });
  offering.offered.resources = listed('resources', { uri: 'x:a', name: 'a' });
  offering.offered.resourceTemplates = listed('resourceTemplates', { uriTemplate: 'x:{b}', name: 'b' });
  offering.offered.prompts = listed('prompts', { name: 'greet' });
  offering.stated = 'Be kind.';
  return offering;
}

test('a server is asked for everything that can be approved of it', async () => {
  const offering = server();
  const told = await offeredBy(offering.connected('one'), 1000);
  assert.deepEqual(told, { offered: offering.offered, instructions: 'Be kind.', untold: [] });
});

test('a kind that a server fails to list is named, and the others are taken', async () => {
  const offering = server();
  offering.meanwhile = (question) => {
    if (question === 'resourceTemplates' || question === 'instructions') throw REFUSED;
  };
  const { offered, instructions, untold } = await offeredBy(offering.connected('one'), 1000);
  assert.deepEqual(offered, { ...offering.offered, resourceTemplates: [] });
  assert.equal(instructions, null);
  assert.deepEqual(untold, [
    { kind: 'templates', reason: 'UPSTREAM_TOOL_ERROR: Method not found' },
    { kind: 'instructions', reason: 'UPSTREAM_TOOL_ERROR: Method not found' },
  ]);
});

test('a server that does not list its tools is not asked any more', async () => {
  const offering = server();
  offering.meanwhile = () => {
    throw REFUSED;
  };
  await assert.rejects(offeredBy(offering.connected('one'), 1000), REFUSED);
  assert.deepEqual(Object.values(offering.asked), [1, 0, 0, 0, 0]);
});

test('what is no answer of a server is not taken for one', async () => {
  const offering = server();
  const broken = new TypeError('a defect');
  offering.meanwhile = (question) => {
    if (question === 'prompts') throw broken;
  };
  await assert.rejects(offeredBy(offering.connected('one'), 1000), broken);
});
