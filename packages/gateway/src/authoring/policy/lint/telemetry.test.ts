import assert from 'node:assert/strict';
import { test } from 'node:test';
import { telemetryOf } from './telemetry.ts';

const at = (url: string) => telemetryOf({ kind: 'http', url, tlsFingerprint: null })?.vendor ?? null;
const run = (command: string, ...args: string[]) =>
  telemetryOf({ kind: 'stdio', command, args, binaryDigest: null, measureTarget: null })?.vendor ?? null;

test('a server of telemetry is known by its host, or by how an OTLP collector is reached', () => {
  assert.equal(at('https://api.eu.sentry.io/mcp'), 'Sentry');
  assert.equal(at('https://sentry.io.example/mcp'), null);
  assert.equal(at('https://notsentry.io/mcp'), null);
  assert.equal(at('http://collector.internal:4318/'), 'an OTLP collector');
  assert.equal(at('https://collector.internal/v1/traces'), 'an OTLP collector');
  assert.equal(at('https://collector.internal/v1/tracesheets'), null);
});

test('a program of telemetry is known by its name, its package or the address that it is given', () => {
  assert.equal(run('/usr/local/bin/mcp-server-sentry'), 'Sentry');
  assert.equal(run('/usr/bin/npx', '-y', '@posthog/mcp@1.2.3'), 'PostHog');
  assert.equal(run('/usr/bin/node', '/srv/node_modules/@sentry/mcp-server/dist/index.js'), 'Sentry');
  assert.equal(run('/usr/bin/python3', '/opt/new_relic.py'), 'New Relic');
  assert.equal(run('/usr/bin/relay', '--to', 'https://api.honeycomb.io/'), 'Honeycomb');
  assert.equal(run('/home/sentry/bin/files'), null);
  assert.equal(run('/usr/bin/sentrylike'), null);
});
