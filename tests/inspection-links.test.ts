import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';

const RULES = [
  'inspection: 1',
  'version: links',
  'tools:',
  '  listed: { link_hosts: [docs.example] }',
  '  strict: { outcomes: { link: deny } }',
  '',
].join('\n');

const SAID =
  'See ![chart](https://img.evil.example/c.png?d=1), [docs](https://docs.example/a) and https://news.example/today';

const SETUP: PeerSetup = {
  servers: {
    main: {
      family: 'handshake',
      script: (peer) => {
        peer.on('tools/call', () => ({
          content: [{ type: 'text', text: SAID }],
          structuredContent: { report: SAID },
        }));
      },
    },
  },
  tools: { plain: {}, listed: {}, strict: {} },
  inspection: RULES,
};

test('images to hosts that are not listed are taken out, links too where there is a list, and entries say so [ATK-10] [G18]', () =>
  withPeers(SETUP, async (bed) => {
    const agent = await bed.agent('handshake');
    const called = async (name: string) => await agent.request('tools/call', { name, arguments: {} });

    const plain = await called('plain');
    const left =
      'See chart [image removed: img[.]evil[.]example], [docs](https://docs.example/a) and https://news.example/today';
    assert.deepEqual(plain.result?.content, [{ type: 'text', text: left }]);
    assert.deepEqual(plain.result?.structuredContent, { report: left });
    const { removed } = receiptOf(plain) as { removed?: unknown };
    assert.deepEqual(removed, { 'foreign-image': 2 });

    const listed = await called('listed');
    assert.deepEqual(listed.result?.structuredContent, {
      report:
        'See chart [image removed: img[.]evil[.]example], [docs](https://docs.example/a) and [link removed: news[.]example]',
    });

    const strict = await called('strict');
    assert.equal(strict.error?.data?.error_code, 'RESPONSE_CONTENT_REFUSED');
  }));
