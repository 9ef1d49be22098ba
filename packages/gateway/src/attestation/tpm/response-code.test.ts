import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RC } from './constants.ts';
import { refusal } from './error.ts';
import { responseCodeText } from './response-code.ts';

test('a response code is named as the specification names it, with what it is about', () => {
  const named: [number, string][] = [
    [0x99d, 'TPM_RC_POLICY_FAIL (0x99d), session 1'],
    [0x18b, 'TPM_RC_HANDLE (0x18b), handle 1'],
    [0x2c4, 'TPM_RC_VALUE (0x2c4), parameter 2'],
    [0x100, 'TPM_RC_INITIALIZE (0x100)'],
    [0x14a, 'TPM_RC_NV_UNINITIALIZED (0x14a)'],
    [0x902, 'TPM_RC_OBJECT_MEMORY (0x902)'],
    [0x910, 'TPM_RC_REFERENCE_H0 (0x910)'],
    [0x918, 'TPM_RC_REFERENCE_S0 (0x918)'],
    [0x922, 'TPM_RC_RETRY (0x922)'],
    [0x01e, 'response code 0x01e'],
    [0x300, 'response code 0x300'],
    [0x501, 'response code 0x501'],
    [0xb018b, 'response code 0xb018b'],
    [0xb0143, 'response code 0xb0143'],
  ];
  for (const [code, text] of named) assert.equal(responseCodeText(code), text);
});

test('a refusal is told by its code, whichever handle, parameter or session it means', () => {
  assert.ok(refusal('Unseal', 0x99d).refusedWith(RC.policyFail));
  assert.ok(refusal('NV_ReadPublic', 0x28b).refusedWith(RC.handle));
  assert.ok(!refusal('NV_ReadPublic', 0xb018b).refusedWith(RC.handle));
  assert.ok(refusal('NV_Read', 0x14a).refusedWith(RC.nvUninitialized));
  assert.match(refusal('Unseal', 0x99d).message, /refused Unseal: TPM_RC_POLICY_FAIL \(0x99d\)/);
});

test('each number has a text', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 0xffffffff }), (code) => responseCodeText(code).length > 0));
});
