import { actionGroup } from '../action-group.ts';
import { closeAction, exportAction, listAction, resetAction, saltAction, showAction } from '../session/actions.ts';

export const sessionCommand = actionGroup({
  name: 'session',
  summary: 'list, show, close, reset and export the sessions of a running gateway',
  actions: [listAction, showAction, closeAction, resetAction, exportAction, saltAction],
  standard: null,
});
