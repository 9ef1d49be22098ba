/** `cmcp approve`: what a person sees before they approve a call, and what they sign. */
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { watch } from '../packages/cli/src/approve/watch.ts';
import { refused } from './support/calls.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { OPERATOR_TOKEN, TestBed } from './support/gateway.ts';

const POLICY = `permit (principal, action in Action::"call_tool", resource);
@id("large") @approver("finance") forbid (principal, action == Action::"pay", resource);`;

interface Scene {
  bed: TestBed;
  client: Client;
  key: string;
  cmcp(...args: string[]): ReturnType<typeof cmcpInProcess>;
  /** Asks for an approval: its id. */
  asked(note: string): Promise<string>;
}

async function scene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const properties = { note: { type: 'string' } };
  const bed = await TestBed.create({
    tools: [{ name: 'pay', inputSchema: { type: 'object', properties } }],
    policies: { 'pay.cedar': POLICY },
  });
  try {
    const key = join(bed.folder, 'op.jwk');
    const made = await cmcpInProcess(['approve', 'keygen', '--out', key, '--json'], bed.folder);
    assert.equal((await cmcpInProcess(['approve', 'keygen'], bed.folder)).code, 2, 'it has to say where');
    const { key: x } = JSON.parse(made.stdout) as { key: string };
    const finance = { operators: ['op'], keys: [x], required_signature: true };
    await bed.writeConfig(`approvals: ${JSON.stringify({ approvers: { finance } })}`);
    const token = join(bed.folder, 'token');
    await writeFile(token, OPERATOR_TOKEN);
    const { url } = await bed.start();
    const client = await bed.client(url);
    const cmcp: Scene['cmcp'] = (action, ...args) =>
      cmcpInProcess(['approve', action ?? '', ...args, '--config', bed.configFile, '--token-file', token], bed.folder);
    const asked: Scene['asked'] = async (note) =>
      String((await refused(client.callTool({ name: 'pay', arguments: { note } }))).data.approval_id);
    await run({ bed, client, key, cmcp, asked });
  } finally {
    await bed.close();
  }
}

test('a person sees the whole call, signs what they saw, and it goes through once [ASI-09, AISVS-9.2.7]', () =>
  scene(async ({ bed, client, key, cmcp, asked }) => {
    assert.equal((await stat(key)).mode & 0o777, 0o600);
    assert.match((await cmcp('list')).stdout, /^Nothing waits\./);
    const note = `${'abcdefghij'.repeat(1000)}\u202eevil`;
    const id = await asked(note);
    const list = await cmcp('list');
    assert.match(list.stdout, new RegExp(`${id} +open +pay +agent +finance +large`));
    assert.doesNotMatch(list.stdout, /abcdefghij/);
    const shown = await cmcp('show', id);
    assert.ok(
      shown.stdout.includes(`{"note":"${'abcdefghij'.repeat(1000)}\\u{202e}evil"}`),
      'nothing is cut, nothing hides',
    );
    const unsigned = await cmcp('grant', id, '--reason', 'fine');
    assert.deepEqual([unsigned.code, /does not count as .*finance/.test(unsigned.stderr)], [1, true]);
    const granted = await cmcp('grant', id, '--reason', 'fine', '--key', key);
    assert.equal(granted.code, 0, granted.stderr);
    assert.match(granted.stdout, /evil"\}\n\n[0-9a-f-]{36} is approved\.\n$/);
    await client.callTool({ name: 'pay', arguments: { note } });
    assert.equal(bed.server.calls.length, 1);
    const no = await asked('other');
    assert.match((await cmcp('refuse', no, '--reason', 'no', '--json')).stdout, /"state":"refused"/);
    assert.equal(
      (await refused(client.callTool({ name: 'pay', arguments: { note: 'other' } }))).data.error_code,
      'APPROVAL_REFUSED',
    );
    for (const [args, code, why] of [
      [['grant', no], 2, /give --reason/],
      [['show'], 2, /say which: cmcp approve show ID/],
      [['show', 'x'], 2, /not the id/],
      [['show', '00000000-0000-4000-8000-000000000000'], 1, /nothing waits/],
    ] as const) {
      const ran = await cmcp(...args);
      assert.deepEqual([ran.code, why.test(ran.stderr)], [code, true], ran.stderr);
    }
  }));

test('whoever watches is asked about each call once, as it comes', () =>
  scene(async ({ bed, client, key, asked }) => {
    const [first, second] = [await asked('one'), await asked('two')];
    const said: string[] = [];
    const words = ['y', 'a customer asked', 'later', null];
    const person = { ask: async () => words.shift() ?? null, wait: async () => void (await asked('three')) };
    const to = { at: { socket: join(bed.dataDir, 'operator.sock') }, token: OPERATOR_TOKEN };
    await watch(person, to, key, { out: (text) => said.push(text) }, () => false);
    const text = said.join('');
    for (const part of [
      '{"note":"one"}',
      `${first} is approved.`,
      '{"note":"two"}',
      'Left to others.',
      '{"note":"three"}',
    ])
      assert.ok(text.includes(part), part);
    assert.equal(text.split(second).length, 2, 'asked about once');
    await client.callTool({ name: 'pay', arguments: { note: 'one' } });
    assert.deepEqual(
      bed.server.calls.map((call) => call.arguments),
      [{ note: 'one' }],
    );
  }));

test('what is shown is what is bound; nothing is answered where the gateway shows other arguments', () =>
  scene(async ({ bed, key, cmcp, asked }) => {
    const id = await asked('one');
    const real = await bed.operator('GET', `/operator/v1/approvals/${id}`);
    let forged: object = {
      ...real.body,
      arguments_base64url: Buffer.from('{"note":"harmless"}').toString('base64url'),
    };
    const asks: string[] = [];
    const fake = createServer((request, response) => {
      asks.push(String(request.method));
      response.end(JSON.stringify(forged));
    });
    const socket = join(bed.folder, 'fake.sock');
    await new Promise<void>((resolve) => fake.listen(socket, resolve));
    try {
      const ran = await cmcp('grant', id, '--reason', 'fine', '--key', key, '--socket', socket);
      assert.deepEqual([ran.code, asks], [1, ['GET']]);
      assert.match(ran.stderr, /shows other arguments/);
      assert.equal(ran.stdout, '', 'what is not so is not shown');
      const elsewhere = { subject: 'harmless', session_id: 'harmless', expires_at: 'harmless', policies: ['harmless'] };
      forged = { ...real.body, ...elsewhere };
      const { stdout } = await cmcp('show', id, '--socket', socket);
      assert.doesNotMatch(stdout, /harmless/);
      assert.match(stdout, /subject +agent\n/);
      assert.match(stdout, /policies +large\n/);
    } finally {
      fake.close();
    }
  }));
