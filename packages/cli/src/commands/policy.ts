import { actionGroup } from '../action-group.ts';
import { lintAction } from '../policy/lint.ts';
import { migrateAction } from '../policy/migrate.ts';
import { schemaAction } from '../policy/schema.ts';

export const policyCommand = actionGroup({
  name: 'policy',
  summary: 'write, check, test, explain, sign and compare policy bundles',
  actions: [lintAction, migrateAction, schemaAction],
  standard: null,
});
