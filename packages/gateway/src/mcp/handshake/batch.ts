import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { classify, type RpcRequest } from '../jsonrpc.ts';
import type { Replies, Reply } from '../reply.ts';
import type { HandshakeSession } from './session.ts';

/** Messages in one batch. */
const MAX_BATCH = 64;

export interface BatchDeps {
  session: HandshakeSession;
  replies: Replies;
  /** Answers one request; null when its client no longer waits. */
  answer: (request: RpcRequest) => Promise<Reply | null>;
}

/** Whether an array is a batch that a session takes: only one revision has them (MCP25-05, ATK-19). */
export function isBatch(session: HandshakeSession, messages: JsonValue[]): boolean {
  return !session.revision.structured && messages.length > 0 && messages.length <= MAX_BATCH;
}

/**
 * The answer to a batch, each of whose messages goes its own way: an array with what is answered, in the order asked, or nothing.
 * Never rejects.
 */
export async function answerBatch(messages: JsonValue[], deps: BatchDeps): Promise<Reply> {
  const replies = await Promise.all(messages.map((message) => answerOne(message, deps)));
  const bodies = replies.map((reply) => reply?.body ?? null).filter((body) => body !== null);
  const refused = replies.find((reply) => reply !== null && reply.status >= 400);
  // Without a request, there is nobody whom an answer in the body would reach.
  const silent = !messages.some((message) => classify(message).kind === 'request');
  if (silent && refused) return refused;
  return bodies.length === 0 ? deps.replies.accepted() : { status: 200, headers: {}, body: bodies as JsonObject[] };
}

async function answerOne(value: JsonValue, { session, replies, answer }: BatchDeps): Promise<Reply | null> {
  const message = classify(value);
  switch (message.kind) {
    case 'malformed':
      return replies.refuse(message.id, 'INVALID_REQUEST');
    case 'response':
      session.answered(message);
      return null;
    case 'notification':
      return session.notified(message) ? null : replies.refuse(null, 'INVALID_REQUEST');
    case 'request':
      return await answer(message);
  }
}
