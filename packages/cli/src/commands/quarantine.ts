import { actionGroup } from '../action-group.ts';
import { discardAction, listAction, releaseAction, showAction } from '../quarantine/actions.ts';

export const quarantineCommand = actionGroup({
  name: 'quarantine',
  summary: 'look at answers that are held, and release or discard them',
  actions: [listAction, showAction, releaseAction, discardAction],
  standard: listAction,
});
