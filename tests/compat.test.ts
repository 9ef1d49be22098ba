import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { callMeta, endSession, refused } from './support/calls.ts';
import { TestBed } from './support/gateway.ts';
import { callEntries, verifyStored } from './support/session-files.ts';

const definition = (description: string) => ({
  description,
  input_schema: { type: 'object', properties: { amount: { type: 'integer' } } },
});

const TOOLS = ['crm.query', 'payments.transfer', 'chat.post'];

/** A gateway on a catalog and a bundle in the reference's form: a JSON array, and policies without `cmcp_request`. */
async function withReferenceSetup(policies: Record<string, string>, run: (bed: TestBed) => Promise<void>, config = '') {
  const tools = TOOLS.map((name) => ({ name, description: name, inputSchema: definition(name).input_schema }));
  const bed = await TestBed.create({ tools, config });
  try {
    const { canonicalSorted, digest } = await import('@cmcp/evidence');
    const entries = TOOLS.map((name) => ({
      tool_name: name,
      server: { display_name: 'crm', transport: 'streamable-http', url: bed.server.url, tls_fingerprint: UNPINNED },
      approved_definition: definition(name),
      definition_hash: digest(canonicalSorted(definition(name))),
      compliance_domain: name === 'crm.query' ? 'mnpi' : 'external',
      sensitivity_level: name === 'crm.query' ? 'mnpi' : 'public',
      added_at: '2026-01-01T00:00:00Z',
      approved_by: 'tests',
    }));
    await writeFile(join(bed.folder, 'catalog.json'), JSON.stringify(entries));
    await bed.writePolicies(policies);
    const manifest = {
      version: '1.0.0',
      authored_at: '2026-01-01T00:00:00Z',
      author_identity: 't',
      commit_sha: 'none',
    };
    await writeFile(join(bed.folder, 'policy', 'manifest.json'), JSON.stringify(manifest));
    await run(bed);
  } finally {
    await bed.close();
  }
}

const UNPINNED = `SHA256:${'A'.repeat(43)}=`;

const REFERENCE_STYLE = {
  'allow.cedar':
    'permit (principal, action, resource == Resource::"crm.query");\npermit (principal, action, resource);',
  'block-mnpi.cedar': `@approver("compliance") @reason("MNPI stays inside") @severity("é")
forbid (principal, action == Action::"Chat.post", resource)
when { context has session_max_sensitivity && context.session_max_sensitivity == "mnpi" };`,
  'cap.cedar': `forbid (principal, action, resource == Resource::"payments.transfer")
when { context has arguments && context.arguments has amount && context.arguments.amount > 1000 };`,
  'egress.cedar':
    'forbid (principal, action, resource) when { context has egress && context.response_size_bytes > 5000 };',
};

test("policies in the reference's style decide as their authors meant, allow and deny, through HTTP [D-11] [W-24] [C-21] [C-37]", () =>
  withReferenceSetup(REFERENCE_STYLE, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const names = new Map((await client.listTools()).tools.map((tool) => [tool.description, tool.name]));
    const call = (name: string, args: Record<string, unknown> = {}) =>
      client.callTool({ name: names.get(name) ?? name, arguments: args });
    assert.ok(await call('payments.transfer', { amount: 10 }));
    assert.equal((await refused(call('payments.transfer', { amount: 5000 }))).data.error_code, 'POLICY_DENY');
    assert.ok(await call('chat.post'), 'before anything sensitive was seen');
    const { session_id } = callMeta(await call('crm.query'));
    const stepUp = await refused(call('chat.post'));
    assert.equal(stepUp.data.error_code, 'STEP_UP_REQUIRED', 'an approver in the advice asks for one');
    assert.deepEqual(stepUp.data.advice, { approver: 'compliance', reason: 'MNPI stays inside', severity: 'é' });
    bed.server.answer = () => ({ content: [{ type: 'text', text: 'x'.repeat(6000) }] });
    assert.equal((await refused(call('crm.query'))).data.error_code, 'EGRESS_DENIED');
    await endSession(client);
    const entries = await callEntries(started, session_id);
    assert.ok(
      entries.every(({ detail }) => detail?.severity === undefined),
      'the reference knows no severity',
    );
    const decisions = entries.map((entry) => entry.policy_decision);
    assert.deepEqual(decisions, ['allow', 'deny', 'allow', 'allow', 'step_up', 'deny']);
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test('a tool of a reference catalog can be called by its own name too', () =>
  withReferenceSetup(REFERENCE_STYLE, async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    assert.ok(await client.callTool({ name: 'crm.query', arguments: {} }));
    assert.equal(bed.server.calls[0]?.name, 'crm.query');
  }));

test("with compat the reply also carries the reference's `_cmcp` object, and not without", () =>
  withReferenceSetup(
    REFERENCE_STYLE,
    async (bed) => {
      const { url } = await bed.start();
      const client = await bed.client(url);
      const result = (await client.callTool({ name: 'crm.query', arguments: {} })) as Record<string, unknown>;
      const compat = result._cmcp as Record<string, unknown>;
      const meta = callMeta(result as Parameters<typeof callMeta>[0]);
      assert.equal(compat.call_id, meta.call_id);
      assert.equal(compat.audit_entry_hash, meta.entry_hash);
      assert.equal(compat.would_have_denied, false);
      assert.equal(compat.session_id, meta.session_id);
    },
    'compat: cmcp-0.4',
  ));
