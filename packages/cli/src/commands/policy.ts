import { actionGroup } from '../action-group.ts';
import { activateAction } from '../policy/activate.ts';
import { approveBundleAction } from '../policy/approve.ts';
import { diffAction } from '../policy/diff.ts';
import { explainAction } from '../policy/explain.ts';
import { keygenAction } from '../policy/keygen.ts';
import { revokeKeyAction, succeedKeyAction } from '../policy/keys.ts';
import { lintAction } from '../policy/lint.ts';
import { migrateAction } from '../policy/migrate.ts';
import { replayAction } from '../policy/replay.ts';
import { schemaAction } from '../policy/schema.ts';
import { shadowAction } from '../policy/shadow.ts';
import { signAction } from '../policy/sign.ts';
import { signingKeyAction } from '../policy/signing-key.ts';
import { statusAction } from '../policy/status.ts';
import { successorAction } from '../policy/successor.ts';
import { testAction } from '../policy/test.ts';

export const policyCommand = actionGroup({
  name: 'policy',
  summary: 'write, check, test, explain, sign and compare policy bundles',
  actions: [
    schemaAction,
    lintAction,
    testAction,
    diffAction,
    explainAction,
    replayAction,
    keygenAction,
    approveBundleAction,
    migrateAction,
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
