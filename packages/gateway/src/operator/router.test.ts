import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { alternativeNames } from './credentials.ts';
import { mayUse, type OperatorRoute, ROLES, type Role } from './route.ts';
import { Router } from './router.ts';
import { declaredRoutes } from './routes.ts';

const route = (method: 'GET' | 'POST', path: string, more: Partial<OperatorRoute> = {}): OperatorRoute => ({
  ...{ method, path, operationId: `${method} ${path}`, summary: '.', roles: ['viewer'], answer: {}, mutates: false },
  serve: () => ({}),
  ...more,
});
const NAME = { type: 'string', pattern: '^[a-z%]+$' };

test('a path is found by name before by what stands for any name, and names are read as they were written', () => {
  const params = { x: NAME };
  const router = new Router([
    route('GET', 'a/{x}', { params }),
    route('GET', 'a/b'),
    route('POST', 'a/{x}', { params }),
  ]);
  assert.equal(router.find('GET', '/operator/v1/a/b').route.path, 'a/b');
  assert.equal(router.find('POST', '/operator/v1/a/b').route.path, 'a/{x}');
  assert.deepEqual(router.find('GET', '/operator/v1/a/%63').params, { x: 'c' });
  for (const target of ['a/C', 'a/%', 'a/%2Fb', 'a/', 'a', 'a/b/', 'a//b', 'a/b?'])
    assert.throws(() => router.find('GET', `/operator/v1/${target}`), { code: 'ROUTE_NOT_FOUND' }, target);
});

test('routes that cannot be told apart, or that leave something out, are refused when they are declared', () => {
  const params = { x: NAME, y: NAME };
  const refused: [OperatorRoute[], RegExp][] = [
    [
      [route('GET', 'a/{x}', { params }), route('GET', 'a/{y}', { params, operationId: 'other' })],
      /two routes are GET a/,
    ],
    [[route('GET', 'a'), route('GET', 'b', { operationId: 'GET a' })], /two routes are GET a/],
    [[route('GET', 'a/{x}')], /has no schema of x/],
    [[route('POST', 'a', { body: { minProperties: 1 } })], /no check for the schema keyword/],
  ];
  for (const [routes, problem] of refused) assert.throws(() => new Router(routes), problem);
});

test('whatever is asked, a route is found or a refusal says why', () => {
  const router = new Router(declaredRoutes());
  const part = fc.oneof(
    fc.constantFrom('/operator/v1/', 'sessions', '/', '?', '%', '..', 'close', '00000000-0000-4000-8000-000000000000'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.constantFrom('GET', 'POST', 'PUT', ''), fc.array(part, { maxLength: 6 }), (method, parts) => {
      try {
        const found = router.find(method, parts.join(''));
        assert.ok(parts.join('').startsWith('/operator/v1/') && found.route.method === method);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
      }
    }),
    { numRuns: 100 },
  );
});

test('each role may what lesser ones may, and an auditor what changes nothing', () => {
  const allowed = (roles: Role[], mutates: boolean): Role[] =>
    ROLES.filter((role) => mayUse(route('GET', 'a', { roles, mutates }), role));
  assert.deepEqual(allowed(['viewer'], true), ['viewer', 'approver', 'operator']);
  assert.deepEqual(allowed(['approver'], true), ['approver', 'operator']);
  assert.deepEqual(allowed(['operator'], true), ['operator']);
  assert.deepEqual(allowed(['operator'], false), ['operator', 'auditor']);
  assert.deepEqual(allowed(['auditor'], false), ['auditor']);
  assert.deepEqual(allowed([], true), []);
});

test('a name within another name of a certificate is no name of it', () => {
  assert.deepEqual(alternativeNames('URI:spiffe://a/b, DNS:x'), ['URI:spiffe://a/b', 'DNS:x']);
  assert.deepEqual(alternativeNames('DNS:"x, URI:spiffe://a/b, y", DNS:z'), ['DNS:"x, URI:spiffe://a/b, y"', 'DNS:z']);
  assert.deepEqual(alternativeNames('DNS:"x\\", URI:anna, y", DNS:z'), ['DNS:"x\\", URI:anna, y"', 'DNS:z']);
  assert.deepEqual(alternativeNames(''), []);
});
