import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { CatalogServer } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import type { Ask, ClientAbilities } from '../mcp/asks.ts';
import type { Asked } from '../policy/types.ts';
import { messagesProblem } from './sampling-messages.ts';

/** An ask as the policy sees it. */
export type AskView = Extract<Asked, { action: Ask['kind'] }>;

const MAX_FIELDS = 100;
/** What a form may not ask for: whoever answers it would hand a secret to a server (MCP25-12). */
const SECRET =
  /pass(?:wd|[\s-]*(?:word|phrase|code))|\bpwd\b|secret|credential|(?:api|access|private|signing|encryption)[\s_-]*key|(?:access|auth|bearer|refresh|session)[\s_-]*token|\b(?:cvv|cvc|pin|otp)\b/i;

/**
 * What a server asks, read as strictly as it is going to be shown.
 *
 * @param during catalog name of what the server was doing
 * @throws GatewayError ASK_REFUSED for what no policy can permit: malformed, secrets by form, a URL that carries credentials
 */
export function viewAsk({ kind, params }: Ask, server: CatalogServer, during: string): AskView {
  if (!server.asks.includes(kind)) throw refused(`the catalog does not let this server ask: ${kind}`);
  if (kind === 'list_roots') return { action: kind, server, during };
  return kind === 'elicit' ? viewElicitation(params, server, during) : viewSampling(params, server, during);
}

function viewElicitation(params: JsonObject, server: CatalogServer, during: string): AskView {
  const mode = member(params, 'mode') ?? 'form';
  const message = text(params, 'message');
  if (mode === 'url') {
    const host = hostOf(text(params, 'url'));
    return { action: 'elicit', server, during, mode, message, fields: [], host };
  }
  if (mode !== 'form') throw refused('the mode of the elicitation is not known');
  const fields = formFields(params);
  return { action: 'elicit', server, during, mode, message, fields: fields.map(([name]) => name), host: null };
}

/** The fields of a form with their schemas. @throws GatewayError ASK_REFUSED */
export function formFields(params: JsonObject): [name: string, schema: JsonObject][] {
  const schema = member(params, 'requestedSchema');
  const properties = isObject(schema) ? member(schema, 'properties') : undefined;
  if (!isObject(schema) || member(schema, 'type') !== 'object' || !isObject(properties)) {
    throw refused('the requested schema is not that of a form');
  }
  const fields = Object.entries(properties);
  if (fields.length > MAX_FIELDS) throw refused(`the form has more than ${MAX_FIELDS} fields`);
  return fields.map(([name, field]) => {
    if (!isObject(field)) throw refused('a field of the form has no schema');
    if ([name, member(field, 'title')].some(namesSecret)) throw refused('the form asks for a secret');
    return [name, field];
  });
}

/** `apiKey` and `api_key` are words like `api key`. */
function namesSecret(name: JsonValue | undefined): boolean {
  return typeof name === 'string' && SECRET.test(name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll('_', ' '));
}

function hostOf(address: string): string {
  const url = URL.parse(address);
  if (url === null || url.protocol !== 'https:') throw refused('the URL of the elicitation is not https');
  if (url.username !== '' || url.password !== '') throw refused('the URL of the elicitation holds credentials');
  if ([...url.searchParams.keys()].some(namesSecret)) throw refused('the URL of the elicitation holds a secret');
  return url.host;
}

function viewSampling(params: JsonObject, server: CatalogServer, during: string): AskView {
  const messages = member(params, 'messages');
  const maxTokens = member(params, 'maxTokens');
  const includeContext = member(params, 'includeContext') ?? 'none';
  if (!Array.isArray(messages) || typeof maxTokens !== 'number' || !Number.isSafeInteger(maxTokens)) {
    throw refused('the request for a completion names no messages or no maxTokens');
  }
  if (typeof includeContext !== 'string') throw refused('includeContext is not text');
  const problem = messagesProblem(messages);
  if (problem !== null) throw refused(problem);
  return {
    action: 'sample',
    server,
    during,
    maxTokens,
    messages: messages.length,
    includeContext,
    systemPrompt: member(params, 'systemPrompt') !== undefined,
    tools: member(params, 'tools') !== undefined || member(params, 'toolChoice') !== undefined,
  };
}

/** @throws GatewayError ASK_REFUSED for what the client did not declare (MCP25-11, MCP25-12, MCP26-28) */
export function requireAbility(view: AskView, abilities: ClientAbilities): void {
  if (!isAble(view, abilities)) throw refused(`the client did not declare that it can be asked: ${view.action}`);
}

function isAble(view: AskView, abilities: ClientAbilities): boolean {
  if (view.action === 'list_roots') return abilities.roots;
  if (view.action === 'elicit') return view.mode === 'url' ? abilities.elicitUrl : abilities.elicitForm;
  if (!abilities.sample || (view.tools && !abilities.sampleTools)) return false;
  return view.includeContext === 'none' || abilities.sampleContext;
}

function text(params: JsonObject, key: string): string {
  const value = member(params, key);
  if (typeof value !== 'string') throw refused(`${key} is not text`);
  return value;
}

function refused(why: string): GatewayError {
  return new GatewayError('ASK_REFUSED', why);
}
