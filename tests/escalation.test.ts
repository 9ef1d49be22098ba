/** Calls that policy asks somebody about: held, parked, approved, and used up once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gateway, GatewayDeps, StartedGateway } from '@cmcp/gateway';
import type { Client } from '@modelcontextprotocol/client';
import { callMeta, endSession, refused } from './support/calls.ts';
import { TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { text } from './support/scripted-server.ts';
import { closedFile, sessionFile, verifyStored } from './support/session-files.ts';
import { timed } from './support/timed-gateway.ts';

const POLICY = `permit (principal, action in Action::"call_tool", resource);
@id("large") @advice("Ask finance.") @approver("finance") @ttl("10m")
forbid (principal, action == Action::"pay", resource) when { context.arguments has amount && context.arguments.amount == "large" };
@id("held") @aarm_decision("step_up") @hold("30s")
forbid (principal, action == Action::"pay", resource) when { context.arguments has amount && context.arguments.amount == "held" };
`;

interface Scene {
  bed: TestBed;
  time: ManualTime;
  gateway: Gateway;
  started: StartedGateway;
  client: Client;
  other: Client;
  pay(amount: string, client?: Client, meta?: Record<string, unknown>): Promise<unknown>;
}

async function scene(run: (scene: Scene) => Promise<void>, deps: Partial<GatewayDeps> = {}): Promise<void> {
  const time = new ManualTime();
  const properties = { amount: { type: 'string' }, note: { type: 'string' } };
  const bed = await TestBed.create({
    tools: [{ name: 'pay', inputSchema: { type: 'object', properties } }],
    policies: { 'pay.cedar': POLICY },
    config: 'approvals: { approvers: { finance: { operators: [op] } } }\n',
  });
  try {
    const { gateway, started, url } = await bed.start({ ...timed(time), timers: time, ...deps });
    const client = await bed.client(url);
    const other = await bed.client(url);
    const pay: Scene['pay'] = (amount, by = client, meta = {}) =>
      by.callTool({ name: 'pay', arguments: { amount }, _meta: meta });
    await run({ bed, time, gateway, started, client, other, pay });
  } finally {
    await bed.close();
  }
}

test('a call that is refused for an approval goes through once it has it, and once only [AARM-R4, G26]', async () => {
  await scene(async ({ bed, client, pay, started }) => {
    const { data } = await refused(pay('large'));
    assert.equal(data.error_code, 'STEP_UP_REQUIRED');
    const id = String(data.approval_id);
    const granted = await bed.operator('POST', `/operator/v1/approvals/${id}/grant`, { reason: 'checked' });
    assert.equal(granted.status, 200, JSON.stringify(granted.body));
    const result = await pay('large');
    console.log(JSON.stringify(result));
    const again = await refused(pay('large'));
    assert.notEqual(again.data.approval_id, id);
    const { session_id } = callMeta(result as never);
    await endSession(client);
    await closedFile(started, session_id);
    const { bundle } = await sessionFile(started, session_id);
    console.log(JSON.stringify(bundle.entries.filter((e) => e.entry_type === 'approval').map(({ action, detail, call_id }) => ({ action, call_id, detail })), null, 1));
    const report = await verifyStored(started, session_id);
    console.log(report.verdict, report.checks.filter((c) => c.id.startsWith('approvals')));
  });
});
