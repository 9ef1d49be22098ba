import { actionGroup } from '../action-group.ts';
import {
  agentAction,
  allAction,
  liftAction,
  limitsAction,
  listAction,
  serverAction,
  sessionAction,
  toolAction,
} from '../kill/actions.ts';

export const killCommand = actionGroup({
  name: 'kill',
  summary: 'stop an agent, a session, a tool, a server or everything, and let it go on',
  actions: [agentAction, sessionAction, toolAction, serverAction, allAction, listAction, liftAction, limitsAction],
  standard: null,
});
