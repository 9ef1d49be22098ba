import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonNumber, type JsonObject } from '@cmcp/evidence';
import {
  ABLE,
  connect,
  everythingOverHttp,
  nodeServer,
  packageFile,
  textOf,
} from '../../../../tests/support/upstreams.ts';
import type { Notice } from '../mcp/types.ts';
import type { UpstreamRequest } from './types.ts';

const LIMITS = { timeout: 60_000 };
const never = new AbortController().signal;

test(
  'server-everything, over a pipe and over HTTP: what it asks, reports and logs, its resources, prompts and completions [W-27]',
  LIMITS,
  async (t) => {
    const pipe = nodeServer(packageFile('server-everything/dist/index.js'));
    for (const transport of [pipe, await everythingOverHttp(t)]) {
      const { upstream, call, send, list } = connect(t, transport, {}, { asks: ['elicit', 'sample', 'list_roots'] });
      assert.match((await upstream.instructions(never)) ?? '', /Everything/);

      const answers: Record<string, JsonObject> = {
        elicit: { action: 'accept', content: { name: 'somebody' } },
        sample: { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled' } },
        list_roots: { roots: [{ uri: 'file:///work', name: 'w' }] },
      };
      const onAsk: UpstreamRequest['onAsk'] = async ({ kind }) => answers[kind] ?? {};
      const more = { abilities: ABLE, onAsk };
      // Tools that ask are there only for a client that can be asked.
      while (!(await list()).includes('trigger-sampling-request')) await list();
      assert.match(JSON.stringify(await call('trigger-elicitation-request', {}, more)), /somebody/);
      assert.match(JSON.stringify(await call('trigger-sampling-request', { prompt: 'p' }, more)), /sampled/);

      const heard: Notice[] = [];
      const hearing = { wantsProgress: true, onNotice: (notice: Notice) => void heard.push(notice) };
      await call('trigger-long-running-operation', { duration: new JsonNumber('0.03'), steps: 3 }, hearing);
      const step = (progress: number) => ({ kind: 'progress', progress, total: 3, message: null });
      assert.deepEqual(heard, [step(1), step(2), step(3)]);

      const [uri = ''] = await list('resources');
      const read = await send('resources/read', { uri });
      assert.ok(read.kind === 'complete' && Array.isArray(read.result.contents));
      assert.ok((await list('resourceTemplates')).length > 0);
      assert.ok((await list('prompts')).includes('args-prompt'));
      const prompt = await send('prompts/get', { name: 'args-prompt', arguments: { city: 'Bern' } });
      assert.match(JSON.stringify(prompt), /Bern/);
      const completion = await send('completion/complete', {
        ref: { type: 'ref/prompt', name: 'completable-prompt' },
        argument: { name: 'department', value: 'E' },
      });
      assert.match(JSON.stringify(completion), /Engineering/);
      assert.equal(textOf(await call('echo', { message: 'still here' })), 'Echo: still here');
    }
  },
);
