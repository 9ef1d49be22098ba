import { decodeBase64Url, digest, EncodingError, isObject, type JsonObject, member } from '@cmcp/evidence';
import { RefusedError, UsageError } from '../io.ts';
import { askOperatorJson, type OperatorAccess } from '../operator-client.ts';
import { said } from '../policy/operate.ts';
import { columns } from '../table.ts';

/** A request for approval as it may be answered: what is shown of it is what it is bound to. */
export interface Request {
  id: string;
  answer: JsonObject;
  /** What the approval is bound to, and signed over. */
  binding: JsonObject;
  /** The operator's name, as the gateway knows it. */
  by: string;
  /** All of it, for a person. */
  text: string;
}

/** The id of a request, from the command line. `usage`: how it should have been named. */
export function idIn(id: string | undefined, usage: string): string {
  if (id === undefined) throw new UsageError(`say which: cmcp approve ${usage}`);
  if (!/^[0-9a-f-]{36}$/.test(id))
    throw new UsageError(`${JSON.stringify(id)} is not the id of a request for approval`);
  return id;
}

/** Contracts section 3; none where digests are plain. */
const SALT_BYTES = 16;

/** @throws RefusedError where the gateway shows other arguments than the approval would be bound to */
export async function readRequest(access: OperatorAccess, id: string): Promise<Request> {
  const answer = await askOperatorJson(access, 'GET', `approvals/${id}`);
  const binding = member(answer, 'binding');
  if (!isObject(binding)) throw new RefusedError('the gateway gave an answer that is not understood');
  const [salt, canonical] = [bytesAt(answer, 'salt'), bytesAt(answer, 'arguments_base64url')];
  const salted = new Uint8Array([...salt, ...canonical]);
  // Where the salt ends is not for the gateway to choose.
  const isSalt = salt.length === 0 || salt.length === SALT_BYTES;
  if (!isSalt || member(binding, 'approval_id') !== id || member(binding, 'arguments_digest') !== digest(salted))
    throw new RefusedError('the gateway shows other arguments than those that would be approved; nothing was answered');
  const text = await wholeText(answer, binding, new TextDecoder().decode(canonical));
  return { id, answer, binding, by: said(member(answer, 'answering_as')), text };
}

const FACTS = ['state', 'subject', 'on_behalf_of', 'session_id', 'expires_at', 'ends_in_seconds'];

/** What is bound is shown as bound; the arguments are what the digest was made of, and nothing in them hides (ASI-09). */
async function wholeText(answer: JsonObject, binding: JsonObject, canonical: string): Promise<string> {
  const { legible } = await import('@cmcp/gateway');
  const list = (name: string): string => {
    const found = member(answer, name);
    return Array.isArray(found) ? found.map(said).join(', ') || 'anyone who may approve' : '';
  };
  const rows = [
    ['id', said(member(answer, 'id'))],
    [said(member(answer, 'action')), `${said(member(binding, 'tool'))} of ${said(member(binding, 'server'))}`],
    ...FACTS.map((name) => [name, member(binding, name) ?? member(answer, name) ?? null] as const).flatMap(
      ([name, fact]) => (fact === null ? [] : [[name, said(fact)]]),
    ),
    ['policies', said(member(binding, 'policy_ids')).split(',').join(', ')],
    ['approvers', list('approvers')],
  ];
  return `${columns(rows)}\n\nThe arguments, all of them:\n${legible(canonical)}`;
}

function bytesAt(answer: JsonObject, name: string): Uint8Array {
  const text = member(answer, name) ?? '';
  try {
    return decodeBase64Url(typeof text === 'string' ? text : '!');
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    throw new RefusedError('the gateway gave an answer that is not understood');
  }
}
