import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answerJson,
  connect,
  failsWith,
  fakeHttp,
  opening,
  resultFor,
  textOf,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import type { CatalogServer } from '../catalog/types.ts';
import { refuseAddress } from './refused-address.ts';
import type { UpstreamDeps } from './upstream.ts';

const LIMITS = { timeout: 30_000 };
const at = (url: string): CatalogServer['transport'] => ({ kind: 'http', url, tlsFingerprint: null });
const refused = failsWith('UPSTREAM_UNAVAILABLE', /link-local/);

test('link-local, unspecified and metadata addresses are refused however they are written [ATK-28]', () => {
  for (const address of [
    '169.254.169.254',
    '169.254.0.1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    'fe80::1',
    'fe80::1%eth0',
    'febf:ffff::1',
    'fd00:ec2::254',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '::ffff:0.0.0.0',
  ]) {
    assert.ok(refuseAddress(address) instanceof Error, address);
  }
  for (const address of [
    '127.0.0.1',
    '::1',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    'fd00::1',
    'fec0::1',
    '169.253.1.1',
    '8.8.8.8',
  ]) {
    assert.equal(refuseAddress(address), null, address);
  }
});

test('nothing connects to such an address, whatever the URL calls it [ATK-28]', LIMITS, async (t) => {
  for (const host of [
    '169.254.169.254',
    '[::ffff:a9fe:a9fe]',
    '[fe80::1]',
    '0xa9.254.43518',
    '2852039166',
    '[::]',
    '0',
  ]) {
    await assert.rejects(connect(t, at(`https://${host}/latest/meta-data`)).call('t'), refused, host);
  }
  // Written in another way it is loopback, where nobody happens to listen.
  for (const host of ['0x7f.1', '2130706433']) {
    await assert.rejects(
      connect(t, at(`http://${host}:9/`)).call('t'),
      failsWith('UPSTREAM_UNAVAILABLE', /ECONNREFUSED/),
    );
  }
});

test(
  'a name is judged by every address that it leads to, before any is connected to [ATK-27] [ATK-28]',
  LIMITS,
  async (t) => {
    const open = opening('modern');
    const server = await fakeHttp(t, (request) => {
      if (!open(request)) answerJson(request.response, resultFor(request.message, textResult('ok')));
    });
    const leadsTo =
      (...found: string[]): UpstreamDeps['lookup'] & object =>
      (_, options, callback) => {
        const addresses = found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
        if (options.all) callback(null, addresses);
        else callback(null, addresses[0]?.address ?? '', addresses[0]?.family ?? 4);
      };
    const reach = (url: string, lookup: UpstreamDeps['lookup'] & object) =>
      connect(t, at(url), {}, { lookup }).call('t');
    const local = `http://localhost:${server.port}/mcp`;
    assert.equal(textOf(await reach(local, leadsTo('127.0.0.1'))), 'ok');
    const before = server.received.length;
    for (const url of [local, 'https://metadata.example/']) {
      await assert.rejects(reach(url, leadsTo('169.254.169.254')), refused);
      await assert.rejects(reach(url, leadsTo('127.0.0.1', 'fe80::1%lo')), refused);
    }
    assert.equal(server.received.length, before);
  },
);
