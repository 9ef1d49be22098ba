import { actionGroup } from '../action-group.ts';
import { lintAction } from '../catalog/lint.ts';

export const catalogCommand = actionGroup({
  name: 'catalog',
  summary: 'examine the catalog of what is approved',
  actions: [lintAction],
  standard: null,
});
