import { actionGroup } from '../action-group.ts';
import { diffAction } from '../policy/diff.ts';
import { lintAction } from '../policy/lint.ts';
import { schemaAction } from '../policy/schema.ts';
import { testAction } from '../policy/test.ts';

export const policyCommand = actionGroup({
  name: 'policy',
  summary: 'write, check, test, explain, sign and compare policy bundles',
  actions: [schemaAction, lintAction, testAction, diffAction],
  standard: null,
});
