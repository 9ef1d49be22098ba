import { actionGroup } from '../action-group.ts';
import { explainAction } from '../policy/explain.ts';
import { keygenAction } from '../policy/keygen.ts';
import { replayAction } from '../policy/replay.ts';
import { schemaAction } from '../policy/schema.ts';

export const policyCommand = actionGroup({
  name: 'policy',
  summary: 'write, check, test, explain, sign and compare policy bundles',
  actions: [schemaAction, explainAction, replayAction, keygenAction],
  standard: null,
});
