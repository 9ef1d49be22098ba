import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import type { OAuthIssuer } from '../../config/identity-oauth.ts';
import { GatewayError } from '../../errors.ts';
import { callerOf } from './caller-of.ts';

const issuer: OAuthIssuer = {
  issuer: 'https://login.example',
  audience: 'x',
  jwksUri: null,
  ca: null,
  algorithms: ['ES256'],
  tokenType: 'at+jwt',
  subjectClaim: 'sub',
  subjectPrefix: 'login.example/',
  userClaim: null,
  groupsClaim: 'groups',
  workflowClaim: 'wf',
  requiredScopes: [],
  scopes: 'enforced',
  clockToleranceMs: 0,
  dpop: 'optional',
  outageMs: 1,
};
const CLAIMS = { sub: 'ada', client_id: 'bot', exp: 2_000_000_000 };
const EXPIRES = { expiresMicros: 2_000_000_000_000_000 };

test('subject, user and groups are under the prefix of the issuer; scopes, workflow and end are as written [AUTHZ-07]', () => {
  const token = { ...CLAIMS, scope: 'mcp:tools mcp:prompts', groups: ['desk'], wf: 'w-1' };
  assert.deepEqual(callerOf(token, issuer), {
    subject: 'login.example/ada',
    source: 'oauth',
    scopes: ['mcp:tools', 'mcp:prompts'],
    groups: ['login.example/desk'],
    workflow: 'w-1',
    ...EXPIRES,
  });
});

test('the actor of a delegated token is the agent and its subject the user, whatever the subject claim is [RFC 8693]', () => {
  const delegated = { ...CLAIMS, act: { sub: 'bot', act: { sub: 'before' } } };
  const named = { subject: 'login.example/bot', onBehalfOf: 'login.example/ada' };
  for (const subjectClaim of ['sub', 'client_id'])
    assert.deepEqual(callerOf(delegated, { ...issuer, subjectClaim }), {
      ...named,
      source: 'oauth',
      scopes: [],
      ...EXPIRES,
    });
});

test('where the client is the agent, another claim names the user, unless the client acts for itself', () => {
  const ofClients: OAuthIssuer = { ...issuer, subjectClaim: 'client_id', userClaim: 'sub' };
  assert.equal(callerOf(CLAIMS, ofClients).onBehalfOf, 'login.example/ada');
  assert.equal(callerOf({ ...CLAIMS, sub: 'bot' }, ofClients).onBehalfOf, undefined);
});

test('a token without scopes may nothing, unless scopes are ignored and policy alone decides [AUTHZ-07]', () => {
  assert.deepEqual(callerOf(CLAIMS, issuer).scopes, []);
  assert.deepEqual(callerOf({ ...CLAIMS, scp: ['a', 'b'] }, issuer).scopes, ['a', 'b']);
  assert.equal(callerOf({ ...CLAIMS, scope: 'a' }, { ...issuer, scopes: 'ignored' }).scopes, undefined);
});

test('what would be the name of somebody else, or of nobody, is refused', () => {
  const bare: OAuthIssuer = { ...issuer, subjectPrefix: '' };
  const wrong: [JsonObject, OAuthIssuer][] = [
    [{ ...CLAIMS, sub: 'spiffe://td/agent' }, bare],
    [{ ...CLAIMS, sub: 'SPIFFE://td/agent' }, bare],
    [{ ...CLAIMS, act: { sub: 'spiffe://td/agent' } }, bare],
    [{ ...CLAIMS, groups: Array.from({ length: 129 }, () => 'g') }, issuer],
    [{ ...CLAIMS, scope: Array.from({ length: 129 }, () => 'g') }, issuer],
    [{ ...CLAIMS, scope: ['a b'] }, issuer],
    [{ ...CLAIMS, wf: 'a\u0000' }, issuer],
    [{ ...CLAIMS, act: { sub: 'bot', iss: 'https://evil.example' } }, issuer],
  ];
  for (const [claims, by] of wrong) {
    assert.throws(
      () => callerOf(claims, by),
      (error) => error instanceof GatewayError && error.code === 'UNAUTHENTICATED',
      JSON.stringify(claims).slice(0, 80),
    );
  }
});
