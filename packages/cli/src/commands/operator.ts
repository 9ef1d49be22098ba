import { actionGroup } from '../action-group.ts';
import { openApiAction } from '../operator/openapi.ts';

export const operatorCommand = actionGroup({
  name: 'operator',
  summary: 'print what the operator interface takes and answers',
  actions: [openApiAction],
  standard: null,
});
