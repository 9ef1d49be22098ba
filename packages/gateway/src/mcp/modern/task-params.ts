import { type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Asked } from '../governed-params.ts';
import { readResponses } from './round.ts';

/**
 * What a method of the tasks extension asks for; null when it is none.
 * @throws GatewayError INVALID_PARAMS
 */
export function readTask(method: string, params: JsonObject): Asked | null {
  switch (method) {
    case 'tasks/get':
    case 'tasks/cancel':
      return { method, taskId: readTaskId(params) };
    case 'tasks/update':
      return { method, taskId: readTaskId(params), responses: readResponses(member(params, 'inputResponses')) };
    default:
      return null;
  }
}

function readTaskId(params: JsonObject): string {
  const taskId = member(params, 'taskId');
  if (typeof taskId !== 'string') throw new GatewayError('INVALID_PARAMS', 'taskId must be a string');
  return taskId;
}
