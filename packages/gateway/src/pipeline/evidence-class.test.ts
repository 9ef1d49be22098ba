import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerTransport } from '../catalog/types.ts';
import { evidenceClassOf } from './evidence-class.ts';

const SPAWN = {
  kind: 'stdio',
  command: '/bin/server',
  args: [],
  binaryDigest: null,
  measureTarget: null,
} satisfies ServerTransport;
const HTTPS = { kind: 'http', url: 'https://crm.example/mcp', tlsFingerprint: null } satisfies ServerTransport;
const PINS = { spki: [], spiffeId: null, ca: null, placeholder: false };
const DIGEST = `sha256:${'a'.repeat(64)}`;

const CLASSES: [string, ServerTransport][] = [
  ['spawn-unmeasured', SPAWN],
  ['spawn-unmeasured', { ...SPAWN, interpreter: { path: '/bin/node', digest: DIGEST } }],
  ['spawn-measured', { ...SPAWN, binaryDigest: DIGEST }],
  ['spawn-measured', { ...SPAWN, package: { path: '/srv', treeDigest: DIGEST, integrity: null } }],
  ['hash-only', HTTPS],
  ['hash-only', { ...HTTPS, pins: { ...PINS, ca: DIGEST } }],
  ['hash-only', { ...HTTPS, pins: { ...PINS, placeholder: true } }],
  ['tls-pinned', { ...HTTPS, tlsFingerprint: `SHA256:${'b'.repeat(43)}` }],
  ['tls-pinned', { ...HTTPS, pins: { ...PINS, spki: [DIGEST] } }],
  ['tls-pinned', { ...HTTPS, pins: { ...PINS, spiffeId: 'spiffe://example/crm' } }],
];

test('a call is tied to its server as strongly as the catalog pins it, and no more', () => {
  for (const [expected, transport] of CLASSES) assert.equal(evidenceClassOf(transport), expected);
});
