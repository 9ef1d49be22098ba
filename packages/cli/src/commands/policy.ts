import { actionGroup } from '../action-group.ts';
import { activateAction } from '../policy/activate.ts';
import { revokeKeyAction, succeedKeyAction } from '../policy/keys.ts';
import { schemaAction } from '../policy/schema.ts';
import { shadowAction } from '../policy/shadow.ts';
import { signAction } from '../policy/sign.ts';
import { signingKeyAction } from '../policy/signing-key.ts';
import { statusAction } from '../policy/status.ts';
import { successorAction } from '../policy/successor.ts';

export const policyCommand = actionGroup({
  name: 'policy',
  summary: 'write, check, test, explain, sign and compare policy bundles',
  actions: [
    schemaAction,
    signingKeyAction,
    signAction,
    shadowAction,
    activateAction,
    statusAction,
    successorAction,
    succeedKeyAction,
    revokeKeyAction,
  ],
  standard: null,
});
