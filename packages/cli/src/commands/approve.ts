import { actionGroup } from '../action-group.ts';
import { grantAction, refuseAction } from '../approve/answer.ts';
import { keygenAction } from '../approve/keygen.ts';
import { listAction, showAction } from '../approve/look.ts';
import { watchAction } from '../approve/watch.ts';

export const approveCommand = actionGroup({
  name: 'approve',
  summary: 'look at calls that wait for an approval, and approve or refuse them',
  actions: [listAction, showAction, grantAction, refuseAction, watchAction, keygenAction],
  standard: listAction,
});
