import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isObject, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { operatorOpenApi } from '@cmcp/gateway';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { declaredRoutes } from '../packages/gateway/src/operator/routes.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';

const document = operatorOpenApi();
const at = (value: JsonValue | undefined, ...path: string[]): JsonValue | undefined =>
  path.reduce<JsonValue | undefined>((found, name) => (isObject(found) ? found[name] : undefined), value);
const objects = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);

const operations = Object.entries(at(document, 'paths') as JsonObject).flatMap(([path, methods]) =>
  Object.entries(methods as JsonObject).map(([method, operation]) => ({
    path,
    method,
    operation: operation as JsonObject,
  })),
);

/** Every object of the document, with the name that it stands under. */
function* walk(value: JsonValue, name: string): Generator<[string, JsonObject]> {
  if (Array.isArray(value)) for (const item of value) yield* walk(item, name);
  if (!isObject(value)) return;
  yield [name, value];
  for (const [key, inner] of Object.entries(value)) yield* walk(inner, key);
}

test('docs/operator-openapi.json is what the command prints, and what the code declares', async () => {
  const committed = await readFile(new URL('../docs/operator-openapi.json', import.meta.url), 'utf8');
  const { code, stdout } = await cmcpInProcess(['operator', 'openapi'], '/nowhere');
  assert.equal(code, 0);
  // Not compared as texts: it is long, and so would the difference be.
  assert.ok(stdout === committed, 'write it anew: cmcp operator openapi > docs/operator-openapi.json');
  assert.deepEqual(JSON.parse(committed), JSON.parse(JSON.stringify(document)));
});

test('every route is an operation, with its parameters, body, roles and answers', () => {
  const routes = declaredRoutes();
  assert.equal(operations.length, routes.length);
  for (const route of routes) {
    const operation = at(document, 'paths', `/operator/v1/${route.path}`, route.method.toLowerCase()) as JsonObject;
    assert.equal(operation.operationId, route.operationId);
    const parameters = objects(operation.parameters);
    const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => String(name));
    assert.deepEqual(
      inPath,
      [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
    );
    assert.ok(parameters.every((parameter) => parameter.in !== 'path' || parameter.required === true));
    assert.equal(operation.requestBody === undefined, route.body === undefined);
    assert.equal(
      parameters.some(({ name }) => name === 'Idempotency-Key'),
      route.mutates && !('open' in route),
    );
    assert.ok(String(operation.summary).endsWith('.'), route.operationId);
  }
});

test('its references lead somewhere, its statuses are statuses, and every schema in it is a schema of JSON Schema 2020-12', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });
  let schemas = 0;
  for (const [name, value] of walk(document, '')) {
    if (typeof value.$ref === 'string')
      assert.ok(at(document, ...value.$ref.replace(/^#\//, '').split('/')), `${value.$ref} leads nowhere`);
    if (name !== 'schema') continue;
    schemas += 1;
    assert.equal(ajv.validateSchema(value), true, JSON.stringify(ajv.errors));
  }
  assert.ok(schemas > 50);
  for (const { path, operation } of operations) {
    const statuses = Object.keys(operation.responses as JsonObject);
    assert.ok(statuses.includes('200') && statuses.every((status) => /^[2-5]\d\d$/.test(status)), path);
    const open = Array.isArray(operation.security);
    // What is open may ask for a signature of its own.
    assert.ok(open || statuses.includes('401'), path);
    assert.equal(Array.isArray(operation['x-roles']), !open, path);
  }
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  for (const name of Object.keys(at(document, 'components', 'responses') as JsonObject))
    assert.match(name, /^[a-zA-Z0-9._-]+$/);
});
