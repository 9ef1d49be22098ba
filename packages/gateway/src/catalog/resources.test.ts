import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { catalogWith, resourceRecord, templateRecord } from '../../../../tests/support/catalog.ts';
import { linkedResource } from './resources.ts';
import type { Catalog, CatalogServer } from './types.ts';

const WEB = { server: 'web' };

const approving = (catalog: Catalog, uri: string): string | null => catalog.resolveResource(uri)?.name ?? null;

function serverOf(catalog: Catalog, id: string): CatalogServer {
  const server = catalog.servers.find((each) => each.id === id);
  assert.ok(server);
  return server;
}

const linked = (catalog: Catalog, server: string, uri: string): string | null =>
  linkedResource(catalog, serverOf(catalog, server), uri)?.name ?? null;

test('a URI is approved by the entry that names it, before any pattern, whichever server has that [MCP26-38]', () => {
  const catalog = catalogWith({
    resources: [templateRecord('pattern', 'x:/{+all}'), resourceRecord('named', 'x:/a/b', WEB)],
  });
  assert.equal(approving(catalog, 'x:/a/b'), 'named');
  assert.equal(approving(catalog, 'x:/a/c'), 'pattern');
  assert.equal(approving(catalog, 'y:/a/c'), null);
});

test('of two patterns the one that leaves less open approves, in any order of the file', () => {
  const records = [
    templateRecord('wide', 'x:/{+all}'),
    templateRecord('narrow', 'x:/notes/{id}'),
    templateRecord('narrowest', 'x:/notes/{id}.md'),
  ];
  for (const each of [records, records.toReversed()]) {
    const catalog = catalogWith({ resources: each });
    assert.equal(approving(catalog, 'x:/notes/1.md'), 'narrowest');
    assert.equal(approving(catalog, 'x:/notes/1'), 'narrow');
    assert.equal(approving(catalog, 'x:/notes/1/2'), 'wide');
  }
});

test('what two patterns approve alike, or patterns of two servers, is approved by none: nobody guesses a server [ATK-04]', () => {
  const tied = catalogWith({ resources: [templateRecord('a', 'x:/{a}-b'), templateRecord('b', 'x:/a-{b}')] });
  assert.equal(approving(tied, 'x:/a-b'), null);
  assert.equal(approving(tied, 'x:/c-b'), 'a');
  const shared = [templateRecord('wide', 'x:/{+all}'), templateRecord('narrow', 'x:/notes/{id}', WEB)];
  for (const resources of [shared, shared.toReversed()]) {
    const catalog = catalogWith({ resources });
    assert.equal(approving(catalog, 'x:/notes/1'), null);
    assert.equal(approving(catalog, 'x:/other/1'), 'wide');
  }
  const resolved = catalogWith({
    resources: [
      templateRecord('a', 'x:/a-{x}'),
      templateRecord('b', 'x:/{x}-c'),
      templateRecord('c', 'x:/{y}-b-c'),
      templateRecord('d', 'x:/{+all}'),
    ],
  });
  assert.equal(approving(resolved, 'x:/a-b-c'), 'c', 'a tie below the most specific one is none');
});

test('another spelling of an approved URI is another URI, and what is not canonical is approved by none [MCP26-38] [ATK-22]', () => {
  const catalog = catalogWith({
    resources: [resourceRecord('named', 'file:///docs/a'), templateRecord('pattern', 'file:///data/{+path}')],
  });
  assert.equal(approving(catalog, 'file:///docs/a'), 'named');
  for (const uri of [
    'FILE:///docs/a',
    'file:///docs/%61',
    'file:///docs/a#b',
    'file:///docs/a/',
    'file:///docs//a',
    'file:///docs/../docs/a',
    'file:///data/../docs/a',
    'file:///data/%2e%2e/docs/a',
    'file:///data/%252e%252e/docs/a',
    ' file:///docs/a',
    'file:///docs/a ',
    'docs/a',
    '',
  ]) {
    assert.equal(approving(catalog, uri), null, uri);
  }
});

test('a server speaks for its own resources only: what it links to under the URI of another is approved by none', () => {
  const catalog = catalogWith({
    resources: [
      resourceRecord('theirs', 'x:/theirs', WEB),
      resourceRecord('ours', 'x:/ours'),
      templateRecord('pattern', 'x:/notes/{id}'),
      templateRecord('longer', 'x:/notes/n{id}'),
      templateRecord('shared', 'x:/notes/{id}.md', WEB),
    ],
  });
  assert.equal(linked(catalog, 'local', 'x:/ours'), 'ours');
  assert.equal(linked(catalog, 'local', 'x:/theirs'), null);
  assert.equal(linked(catalog, 'web', 'x:/theirs'), 'theirs');
  assert.equal(linked(catalog, 'local', 'x:/notes/1'), 'pattern');
  assert.equal(linked(catalog, 'local', 'x:/notes/n1'), 'longer');
  assert.equal(linked(catalog, 'local', 'x:/notes/1.md'), 'pattern');
  assert.equal(linked(catalog, 'web', 'x:/notes/1.md'), 'shared');
  assert.equal(linked(catalog, 'web', 'x:/notes/1'), null);
  assert.equal(linked(catalog, 'local', 'x:/notes/../1'), null);
});

test('whatever is asked for, an answer is an entry that matches, and nothing is thrown', () => {
  const catalog = catalogWith({
    resources: [
      resourceRecord('named', 'x:/a'),
      templateRecord('one', 'x:/{a}/b'),
      templateRecord('two', 'x:/a{/b*}'),
      templateRecord('three', 'x:/{+c}', WEB),
    ],
  });
  const uris = fc.string({ unit: fc.constantFrom(...'abx:/.%2eF?#é'), maxLength: 8 });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        uris,
        uris.map((rest) => `x:/${rest}`),
      ),
      (uri) => {
        for (const found of [
          catalog.resolveResource(uri),
          linkedResource(catalog, serverOf(catalog, 'local'), uri),
          linkedResource(catalog, serverOf(catalog, 'web'), uri),
        ]) {
          if (found === null) continue;
          const { pattern } = found;
          assert.ok(pattern.kind === 'uri' ? pattern.uri === uri : pattern.template.matches(uri));
        }
      },
    ),
    { numRuns: 500 },
  );
});
