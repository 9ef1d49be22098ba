import { actionGroup } from '../action-group.ts';
import { pinAction } from '../catalog/pin.ts';

export const catalogCommand = actionGroup({
  name: 'catalog',
  summary: 'propose, review, approve and examine the catalog of what is approved',
  actions: [pinAction],
  standard: null,
});
