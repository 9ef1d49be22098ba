import { actionGroup } from '../action-group.ts';
import { approveBundleAction } from '../policy/approve.ts';
import { schemaAction } from '../policy/schema.ts';

export const policyCommand = actionGroup({
  name: 'policy',
  summary: 'write, check, test, explain, sign and compare policy bundles',
  actions: [schemaAction, approveBundleAction],
  standard: null,
});
