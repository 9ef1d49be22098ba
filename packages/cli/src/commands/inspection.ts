import { actionGroup } from '../action-group.ts';
import { hashAction, rulesAction, testAction } from '../inspection/rules.ts';
import { tryAction } from '../inspection/try.ts';

export const inspectionCommand = actionGroup({
  name: 'inspection',
  summary: 'test and try the rules that answers are inspected with',
  actions: [testAction, rulesAction, tryAction, hashAction],
  standard: null,
});
