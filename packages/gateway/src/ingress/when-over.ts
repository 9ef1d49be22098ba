import type { ServerResponse } from 'node:http';

/** Calls `run` once, when an answer is written or cannot be any more; at once when that is so already. */
export function whenOver(response: ServerResponse, run: () => void): void {
  if (response.destroyed || response.req.socket.destroyed) run();
  else response.once('close', run);
}
