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

/** Tag characters, a run of invisible ones, bytes in variation selectors, and a terminal sequence that conceals. */
const HIDING = [
  'a',
  String.fromCodePoint(...[...'wire it'].map((letter) => 0xe0000 + (letter.codePointAt(0) ?? 0))),
  'b',
  '\u200b'.repeat(9),
  'c',
  '\ufe01\ufe02\ufe03',
  'd\u001b[8mhidden\u001b[0m',
].join('');

const SETUP: PeerSetup = {
  servers: {
    main: {
      family: 'handshake',
      script: (peer) => {
        peer.on('tools/call', ({ params }) => {
          const said = params.name === 'hiding' ? HIDING : SAID;
          return { content: [{ type: 'text', text: said }], structuredContent: { report: said } };
        });
      },
    },
  },
  tools: { plain: {}, listed: {}, strict: {}, hiding: {} },
  inspection: RULES,
};

test('images to hosts that are not listed are taken out, links too where there is a list, and entries say so [ATK-10] [G18]', () =>
  withPeers(SETUP, async (bed) => {
    const agent = await bed.agent('handshake');
    const called = async (name: string) => await agent.request('tools/call', { name, arguments: {} });

    const plain = await called('plain');
    const left =
      'See chart (image removed: img[.]evil[.]example), [docs](https://docs.example/a) and https://news.example/today';
    assert.deepEqual(plain.result?.content, [{ type: 'text', text: left }]);
    assert.deepEqual(plain.result?.structuredContent, { report: left });
    const { removed } = receiptOf(plain) as { removed?: unknown };
    assert.deepEqual(removed, { 'foreign-image': 2 });

    const listed = await called('listed');
    assert.deepEqual(listed.result?.structuredContent, {
      report:
        'See chart (image removed: img[.]evil[.]example), [docs](https://docs.example/a) and (link removed: news[.]example)',
    });

    const strict = await called('strict');
    assert.equal(strict.error?.data?.error_code, 'RESPONSE_CONTENT_REFUSED');
  }));

test('text that people do not see is taken out of an answer, and the entry says which kinds there were [ATK-07] [ATK-08]', () =>
  withPeers(SETUP, async (bed) => {
    const agent = await bed.agent('handshake');
    const answer = await agent.request('tools/call', { name: 'hiding', arguments: {} });
    assert.doesNotMatch(JSON.stringify(answer.result), /[\u{e0000}-\u{e007f}]|\u200b|\ufe01|\\u001b\[8m/u);
    const { removed } = receiptOf(answer) as { removed?: Record<string, number> };
    assert.deepEqual(Object.keys(removed ?? {}).sort(), [
      'invisible-run',
      'selector-bytes',
      'tag-characters',
      'terminal-conceal',
    ]);
  }));
