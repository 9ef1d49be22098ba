import assert from 'node:assert/strict';
import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ReplayReport } from '@cmcp/gateway';
import { callMeta } from './support/calls.ts';
import type { Ran } from './support/cli.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import type { TestSetup } from './support/gateway.ts';
import { NOTED_TOOLS, type RecordingBed, withRecordingBed } from './support/recording.ts';

const SETUP: TestSetup = {
  tools: NOTED_TOOLS,
  policies: {
    'a.cedar': '@id("all") permit (principal, action in Action::"call_tool", resource);',
    'b.cedar': '@id("no-wipe") forbid (principal, action == Action::"wipe", resource);',
    'd.cedar': '@id("inside") forbid (principal, action, resource) when { resource.destination_class == "external" };',
  },
};

interface Recorded extends RecordingBed {
  file: string;
  /** Call id of the call that names a secret. */
  secretCall: string;
  /** Folder of a bundle with these files over those of the bed. */
  bundle(files: Record<string, string>): Promise<string>;
  replay(args: string[]): Promise<Ran>;
}

/** Three calls are recorded: `echo` of a secret, `echo` of something else, and `wipe`, which is denied. */
async function withRecorded(run: (recorded: Recorded) => Promise<void>, setup = SETUP): Promise<void> {
  await withRecordingBed(setup, async (recording) => {
    const { bed, keyFile, files } = recording;
    const { gateway, url } = await bed.start();
    const client = await bed.client(url);
    const { call_id } = callMeta(await client.callTool({ name: 'echo', arguments: { note: 'secret' } }));
    await client.callTool({ name: 'echo', arguments: { note: 'plain' } });
    await assert.rejects(client.callTool({ name: 'wipe', arguments: {} }));
    await gateway.stop();
    let bundles = 0;
    const bundle = async (changed: Record<string, string>): Promise<string> => {
      bundles += 1;
      const folder = join(bed.folder, `bundle-${bundles}`);
      await cp(join(bed.folder, 'policy'), folder, { recursive: true });
      for (const [name, text] of Object.entries(changed)) await writeFile(join(folder, name), text);
      return folder;
    };
    const [file = ''] = await files();
    const replay = (args: string[]): Promise<Ran> =>
      cmcpInProcess(['policy', 'replay', '--key', keyFile, '--config', bed.configFile, ...args], bed.folder);
    await run({ ...recording, file, secretCall: String(call_id), bundle, replay });
  });
}

const reportOf = ({ stdout }: Ran): ReplayReport => JSON.parse(stdout) as ReplayReport;

const STRICTER = {
  'b.cedar':
    '@id("may-wipe") forbid (principal, action == Action::"wipe", resource) when { context.session.in_flight > 9 };',
  'c.cedar':
    '@id("no-secrets") forbid (principal, action == Action::"echo", resource) when { context.arguments has note && context.arguments.note == "secret" };',
};

test('a bundle that decides the same is told to, with exit code 0', () =>
  withRecorded(async ({ file, bundle, replay }) => {
    const ran = await replay([file, '--bundle', await bundle({}), '--from', await bundle({})]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^5 decisions made again under bundle sha256:[0-9a-f]{64}: none changes\.\n$/);
  }));

test('each decision that would change is listed, from what to what and why, and counted by kind', () =>
  withRecorded(async ({ file, secretCall, bundle, replay, bed }) => {
    const next = await bundle(STRICTER);
    const ran = await replay([file, '--bundle', next, '--json']);
    assert.equal(ran.code, 1);
    const report = reportOf(ran);
    assert.deepEqual(
      report.changes.map(({ asked, stage, agent, from, to }) => [asked, stage, agent, from.effect, to.effect]),
      [
        ['echo', 'ingress', 'agent', 'allow', 'deny'],
        ['echo', 'egress', 'agent', 'allow', 'deny'],
        ['wipe', 'ingress', 'agent', 'deny', 'allow'],
      ],
    );
    const [first, second] = report.changes;
    assert.deepEqual([first?.call, second?.call], [secretCall, secretCall]);
    assert.deepEqual([first?.from.policies, first?.to.policies], [['all'], ['no-secrets']]);
    assert.deepEqual(
      report.groups.map(({ count, asked, from, to }) => [count, asked, from.effect, to.effect]),
      [
        [1, 'echo', 'allow', 'deny'],
        [1, 'echo', 'allow', 'deny'],
        [1, 'wipe', 'deny', 'allow'],
      ],
    );
    const text = await replay([file, '--bundle', next]);
    assert.match(text.stdout, /5 decisions made again .*: 3 change\./);
    assert.match(text.stdout, /1 x +ingress +wipe +deny \(no-wipe\) -> allow \(all\)/);
    assert.ok(text.stdout.includes(secretCall) && !text.stdout.includes('note'));
    const renamed = await bundle({
      'a.cedar': '@id("every") permit (principal, action in Action::"call_tool", resource);',
    });
    assert.deepEqual([reportOf(await replay([file, '--bundle', renamed, '--json'])).otherReasons], [4]);
    assert.equal((await stat(join(bed.folder, 'recordings'))).mode & 0o777, 0o700);
  }));

const REDACTING = (items: string): string =>
  `@id("all") @redact("${items}") permit (principal, action in Action::"call_tool", resource);`;

test('a bundle that removes less from the same answers changes them, though it allows the same', () =>
  withRecorded(
    async ({ file, bundle, replay }) => {
      const same = await bundle({ 'a.cedar': REDACTING('$.card, $.name') });
      assert.equal((await replay([file, '--bundle', same, '--from', same])).code, 0);
      const ran = await replay([file, '--bundle', await bundle({ 'a.cedar': REDACTING('$.card') }), '--json']);
      assert.equal(ran.code, 1);
      for (const { from, to } of reportOf(ran).changes) {
        assert.deepEqual([from.effect, from.redactions], ['redact', ['$.card', '$.name']]);
        assert.deepEqual([to.effect, to.redactions], ['redact', ['$.card']]);
      }
      assert.equal(reportOf(ran).changes.length, 4);
    },
    { ...SETUP, policies: { ...SETUP.policies, 'a.cedar': REDACTING('$.card, $.name') } },
  ));

test('another catalog than the recorded one is told, and what it does not know is not decided', () =>
  withRecorded(async ({ file, bundle, replay, bed }) => {
    const catalogFile = join(bed.folder, 'catalog.json');
    const catalog = JSON.parse(await readFile(catalogFile, 'utf8')) as { tools: { name: string }[] };
    catalog.tools = catalog.tools.filter(({ name }) => name !== 'wipe');
    await writeFile(catalogFile, JSON.stringify(catalog));
    const ran = await replay([file, '--bundle', await bundle({}), '--json']);
    assert.equal(ran.code, 1);
    const report = reportOf(ran);
    assert.deepEqual([report.decisions, report.changes.length, report.unread.length], [4, 0, 1]);
    assert.match(report.unread[0]?.why ?? '', /the catalog has no tool "wipe"/);
    assert.equal(report.otherCatalogs[0]?.decisions, 5);
    assert.match((await replay([file, '--bundle', await bundle({})])).stdout, /5 were recorded under catalog sha256:/);
  }));

test('a recording that does not agree with the bundle that it names is told, and another bundle is not compared', () =>
  withRecorded(async ({ file, bundle, replay, bed }) => {
    const [same, other] = [await bundle({}), await bundle(STRICTER)];
    const foreign = reportOf(await replay([file, '--bundle', same, '--from', other, '--json'])).before;
    assert.deepEqual([foreign?.otherBundle, foreign?.disagrees], [5, []]);
    const agreed = reportOf(await replay([file, '--bundle', same, '--from', same, '--json']));
    assert.deepEqual([agreed.same, agreed.before?.disagrees], [true, []]);
    const catalog = await readFile(join(bed.folder, 'catalog.json'), 'utf8');
    await writeFile(join(bed.folder, 'catalog.json'), catalog.replaceAll('"internal"', '"external"'));
    const silent = await bundle({ 'd.cedar': '// nothing' });
    const ran = await replay([file, '--bundle', silent, '--from', same, '--json']);
    const { changes, before } = reportOf(ran);
    assert.deepEqual(
      [ran.code, changes.length, before?.disagrees.map(({ to }) => to.policies.join())],
      [1, 0, ['inside', 'inside', 'inside', 'inside', 'no-wipe,inside']],
    );
    assert.match((await replay([file, '--bundle', silent, '--from', same])).stdout, /Recorded otherwise than sha256:/);
  }));

test('a damaged or incomplete recording is never called the same; a cut end is told, and is not fatal', () =>
  withRecorded(async ({ file, bundle, replay }) => {
    const next = await bundle({});
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, lines.slice(0, 4).join('\n'));
    const cut = await replay([file, '--bundle', next]);
    assert.equal(cut.code, 0, cut.stdout);
    assert.match(cut.stdout, /2 decisions[\s\S]*the last line is not whole[\s\S]*has no end/);
    await writeFile(file, [lines[0], ...lines.slice(2)].join('\n'));
    const missing = await replay([file, '--bundle', next]);
    assert.equal(missing.code, 1);
    assert.match(missing.stdout, /What the recordings lack:\n +- .*1 of the decisions that were made are not in it/);
  }));

test('wrong usage and wrong keys are refused', () =>
  withRecorded(async ({ file, keyFile, bundle, replay, bed }) => {
    const run = (args: string[]) => cmcpInProcess(['policy', ...args], bed.folder);
    assert.equal((await run(['replay', '--key', keyFile, '--bundle', 'x'])).code, 2);
    assert.equal((await run(['replay', file, '--bundle', 'x'])).code, 2);
    assert.equal((await run(['replay', file, '--key', keyFile])).code, 2);
    assert.equal((await run(['keygen'])).code, 2);
    const other = join(bed.folder, 'other.key');
    const made = await run(['keygen', '--out', other]);
    assert.equal(made.code, 0);
    assert.match(made.stdout, /key: [A-Za-z0-9_-]{43}\n/);
    assert.equal((await stat(other)).mode & 0o777, 0o600);
    const before = await readFile(other, 'utf8');
    const again = await run(['keygen', '--out', other]);
    assert.match(again.stderr, /OUTPUT_EXISTS/);
    assert.deepEqual([again.code, await readFile(other, 'utf8')], [1, before]);
    const next = await bundle({});
    const wrong = await replay([file, '--bundle', next, '--key', other]);
    assert.match(
      wrong.stderr,
      /is sealed to the key [\s\S]*RECORDING_INVALID|RECORDING_INVALID[\s\S]*is sealed to the key/,
    );
    assert.equal(wrong.code, 1);
    const noKey = await replay([file, '--bundle', next, '--key', bed.configFile]);
    assert.match(noKey.stderr, /holds no private X25519 key/);
  }));
