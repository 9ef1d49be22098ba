import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { callMeta } from './support/calls.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { OPERATOR_TOKEN, withBed } from './support/gateway.ts';
import { operatorWith } from './support/operator.ts';

const AUDITOR_TOKEN = 'auditor-token-of-the-tests';
const CONFIG = `operator: { credentials: [${operatorWith('op', OPERATOR_TOKEN)}, ${operatorWith('audit', AUDITOR_TOKEN, ['auditor'])}] }`;

test('cmcp session does what operators do, an auditor takes the gateway’s chain away, and nobody alters what it says of them', () =>
  withBed({ tools: [{ name: 'echo' }], config: CONFIG }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id: id, call_id: call } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const run = (token: string, ...args: string[]) =>
      cmcpInProcess([...args, '--config', bed.configFile], bed.folder, { CMCP_OPERATOR_TOKEN: token });
    const session = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(OPERATOR_TOKEN, 'session', ...args);
      assert.deepEqual([code, stderr], [0, ''], args.join(' '));
      return stdout;
    };

    const listed = await session('list');
    assert.match(listed, new RegExp(`^${id} +agent +open +20`, 'm'));
    assert.match(listed, new RegExp(`^${started.gatewaySession} +\\(the gateway itself\\) +open`, 'm'));
    assert.equal((JSON.parse(await session('list', '--json')) as { sessions: unknown[] }).sessions.length, 2);
    assert.match(await session('show', id), /^state +open$/m);
    assert.match(await session('salt', id, call), /^[A-Za-z0-9_-]{22}\n$/);
    assert.match(await session('reset', 'agent', '--reason', 'ticket 7'), /agent now counts as having seen: public/);
    assert.match(await session('close', id, '--reason', 'end of the audit period'), /is closed\. Its file: /);
    assert.match(await session('show', id, '--json'), /"state":"closed"/);

    const refused = await run(AUDITOR_TOKEN, 'session', 'close', id);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /closeSession is for operator; audit is auditor/);
    const file = join(bed.folder, 'operators.cmcp.json');
    assert.equal((await run(AUDITOR_TOKEN, 'session', 'export', 'gateway', '--out', file)).code, 0);

    const text = await readFile(file, 'utf8');
    const verify = ['--accept-software', '--key', started.keyFile];
    const pins = ['--policy-hash', started.policyHash, '--catalog-hash', started.catalogHash];
    const check = (path: string) => cmcpInProcess(['verify', path, ...verify, ...pins], bed.folder);
    const good = await check(file);
    assert.equal(good.code, 0, good.stdout + good.stderr);
    const { entries } = (JSON.parse(text) as { bundle: { entries: Record<string, unknown>[] } }).bundle;
    const operators = entries.filter(({ action }) => String(action).startsWith('operator.'));
    assert.deepEqual(
      operators.map(({ action, caller, detail }) => [action, caller, detail]),
      [
        ['operator.disclose', 'op', { session_id: id, call_id: call }],
        ['operator.reset', 'op', { session_id: id, subject: 'agent', reason: 'ticket 7' }],
        ['operator.close', 'op', { session_id: id, reason: 'end of the audit period' }],
        [
          'operator.refused',
          'audit',
          { subject: 'audit', method: 'POST', route: '/operator/v1/sessions', operator_roles: 'auditor' },
        ],
        ['operator.export', 'audit', { session_id: started.gatewaySession, operator_roles: 'auditor' }],
      ],
    );

    const forged = join(bed.folder, 'forged.cmcp.json');
    for (const [said, other] of [
      ['ticket 7', 'ticket 8'],
      ['"caller":"op"', '"caller":"oz"'],
      ['"caller":"audit"', '"caller":"aubit"'],
      ['operator.close', 'operator.clean'],
    ] as const) {
      assert.ok(text.includes(said), said);
      await writeFile(forged, text.replace(said, other));
      assert.equal((await check(forged)).code, 1, said);
    }
  }));
