import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EntryExplanation, Explanation } from '@cmcp/gateway';
import { callMeta } from './support/calls.ts';
import type { Ran } from './support/cli.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { type TestBed, type TestSetup, withBed } from './support/gateway.ts';
import { NOTED_TOOLS, withRecordingBed } from './support/recording.ts';

const SETUP: TestSetup = {
  tools: NOTED_TOOLS,
  policies: {
    'a.cedar': '@id("all") permit (principal, action in Action::"call_tool", resource);',
    'b.cedar': `// Nothing is wiped.
@id("no-wipe")
@advice("ask a person")
forbid (principal, action == Action::"wipe", resource)
when { context.session.class_rank < 1 };`,
    'c.cedar': `@id("no-secrets") forbid (principal, action == Action::"echo", resource)
when { context.arguments has note && context.arguments.note like "*secret*" };`,
  },
};

const explain = (bed: TestBed, args: string[]): Promise<Ran> =>
  cmcpInProcess(['policy', 'explain', '--config', bed.configFile, ...args], bed.folder);

test('a call is explained from short options: what applies, what does not, and what would have to change', () =>
  withBed(SETUP, async (bed) => {
    const ran = await explain(bed, ['--tool', 'echo', '--caller', 'bob', '--arguments', '{"note":"a secret"}']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(
      ran.stdout,
      `echo by bob: deny, by no-secrets

Applies:
  permit all (a.cedar:1)
  forbid no-secrets (c.cedar:1)

1 policy is about other requests.

To be allowed:
  forbid no-secrets (c.cedar:1) would have to let go:
    context.arguments.note like "*secret*" is true (context.arguments.note is "a secret") and would have to be false
    or context.arguments.note is "a secret" and would have to be missing
`,
    );
    const pii = await explain(bed, ['--tool', 'wipe', '--caller', 'bob', '--class', 'pii', '--json']);
    const { decision, unmet } = JSON.parse(pii.stdout) as Explanation;
    assert.deepEqual([decision.effect, unmet[0]?.place], ['allow', 'b.cedar:2']);
    assert.deepEqual(unmet[0]?.clauses[0]?.reasons[0]?.values, [{ name: 'context.session.class_rank', value: '1' }]);
  }));

test('a scenario in YAML is explained, and its mistakes are told with their line', () =>
  withBed(SETUP, async (bed) => {
    const file = join(bed.folder, 'scenario.yaml');
    await writeFile(file, 'caller: bob\ncall: wipe\nresponse: { size: 5 }\n');
    const ran = await explain(bed, ['--scenario', file]);
    assert.match(ran.stdout, /^wipe by bob, with its answer: deny, by no-wipe @advice\("ask a person"\)\n/);
    await writeFile(file, 'caller: bob\ncall: wip\n');
    const wrong = await explain(bed, ['--scenario', file]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /scenario\.yaml:2.*did you mean "wipe"/);
  }));

test('an entry of a chain is explained by what it says, and by a recording with what was asked', () =>
  withRecordingBed(SETUP, async ({ bed, keyFile, files }) => {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id, call_id } = callMeta(await client.callTool({ name: 'echo', arguments: { note: 'plain' } }));
    await assert.rejects(client.callTool({ name: 'echo', arguments: { note: 'my secret' } }));
    await assert.rejects(client.callTool({ name: 'unheard-of', arguments: {} }));
    await gateway.stop();
    const session = join(started.sessionsFolder, `${session_id}.cmcp.json`);
    const [recording = ''] = await files();
    const entry = async (which: string, more: string[] = []): Promise<EntryExplanation> => {
      const ran = await explain(bed, ['--session', session, '--entry', which, '--json', ...more]);
      return JSON.parse(ran.stdout) as EntryExplanation;
    };
    const denied = await entry('2');
    assert.deepEqual(
      [denied.decision, denied.rule, denied.policies.map(({ id, place }) => [id, place]), denied.decisions],
      ['deny', 'no-secrets', [['no-secrets', 'c.cedar:1']], []],
    );
    assert.match(denied.policies[0]?.text ?? '', /like "\*secret\*"/);
    assert.match(denied.notes.join(), /holds digests/);
    assert.match((await entry('0')).notes.join(), /Nothing was decided here/);
    assert.match((await entry('3')).notes.join(), /no policy but the gateway|no permit applied/);

    const opened = ['--recording', recording, '--key', keyFile];
    const known = await entry('2', opened);
    assert.deepEqual(
      known.decisions.map(({ decision, asRecorded, stage }) => [decision.effect, asRecorded, stage]),
      [['deny', true, 'ingress']],
    );
    assert.equal((await entry(String(call_id), opened)).decisions.length, 2);
    const text = await explain(bed, ['--session', session, '--entry', '2', ...opened]);
    assert.match(text.stdout, /context\.arguments\.note is "my secret"/);
    assert.equal(text.code, 0);
    const none = await explain(bed, ['--session', session, '--entry', '3', ...opened]);
    assert.match(none.stdout, /The recordings hold no decision of this call/);
    assert.equal(none.code, 1);

    await bed.writePolicies({ 'a.cedar': 'permit (principal, action in Action::"call_tool", resource);' });
    const other = await explain(bed, ['--session', session, '--entry', '2', ...opened]);
    assert.equal(other.code, 1);
    assert.match(other.stdout, /The session ran under bundle sha256:[0-9a-f]+, and the configured one is sha256:/);
    assert.ok(!other.stdout.includes('my secret'));
  }));

test('an entry of a session with a second file is found there', () =>
  withBed(SETUP, async (bed) => {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await gateway.stop();
    const file = join(started.sessionsFolder, `${session_id}.cmcp.json`);
    const document = JSON.parse(await readFile(file, 'utf8')) as {
      bundle: { entries?: unknown[]; entries_file?: unknown };
    };
    const { entries = [], ...bundle } = document.bundle;
    const lines = entries.map((each) => JSON.stringify(each)).join('\n');
    await writeFile(join(started.sessionsFolder, 'long.cmcp.ndjson'), `${lines}\n`);
    const moved = { ...document, bundle: { ...bundle, entries_file: { name: 'long.cmcp.ndjson' } } };
    await writeFile(file, JSON.stringify(moved));
    const ran = await explain(bed, ['--session', file, '--entry', '1']);
    assert.match(ran.stdout, /^entry +1, tool_call/);
    const elsewhere = { ...moved, bundle: { ...bundle, entries_file: { name: '../../catalog.json' } } };
    await writeFile(file, JSON.stringify(elsewhere));
    assert.match((await explain(bed, ['--session', file, '--entry', '1'])).stderr, /names no file with its entries/);
  }));

test('wrong usage is refused with what to do', () =>
  withBed(SETUP, async (bed) => {
    const cases: [string[], RegExp][] = [
      [[], /say what to explain/],
      [['--tool', 'echo'], /say who calls/],
      [['--tool', 'echo', '--caller', 'bob', '--arguments', '[]'], /takes a JSON object/],
      [['--tool', 'echo', '--caller', 'bob', '--arguments', '{"a":1,"a":2}'], /not strict JSON/],
      [['--tool', 'echo', '--caller', 'bob', '--entry', '1'], /--entry does not go with/],
      [['--scenario', 'x', '--tool', 'echo'], /--tool does not go with/],
      [['--session', 'x'], /name the entry/],
      [['--session', 'x', '--entry', '1', '--key', 'k'], /go together/],
      [['more'], /takes no arguments/],
    ];
    for (const [args, message] of cases) {
      const ran = await explain(bed, args);
      assert.equal(ran.code, 2, ran.stderr);
      assert.match(ran.stderr, message);
    }
    const noEntry = await explain(bed, ['--session', bed.configFile, '--entry', '1']);
    assert.match(noEntry.stderr, /INVALID_PARAMS/);
    const noTool = await explain(bed, ['--tool', 'ech', '--caller', 'bob']);
    assert.match(noTool.stderr, /did you mean "echo"/);
  }));
