import { type JsonObject, member } from '@cmcp/evidence';
import type { Ask, AskKind, ClientAbilities } from './asks.ts';

/** Everything that a client can be asked, in any revision. */
const EVERY_ASK: ClientAbilities = {
  elicitForm: true,
  elicitUrl: true,
  sample: true,
  sampleTools: true,
  sampleContext: true,
  roots: true,
  tasks: false,
};

/** What a server is offered for one request: what its client can be asked, as far as the catalog lets this server ask it. */
export function offerOf(abilities: ClientAbilities, approved: readonly AskKind[]): ClientAbilities {
  const elicit = approved.includes('elicit');
  const sample = approved.includes('sample');
  return {
    elicitForm: elicit && abilities.elicitForm,
    elicitUrl: elicit && abilities.elicitUrl,
    sample: sample && abilities.sample,
    sampleTools: sample && abilities.sampleTools,
    sampleContext: sample && abilities.sampleContext,
    roots: approved.includes('list_roots') && abilities.roots,
    tasks: abilities.tasks,
  };
}

/** What a server is offered for a whole connection, whose requests come from clients that are not known yet. */
export const standingOffer = (approved: readonly AskKind[]): ClientAbilities => offerOf(EVERY_ASK, approved);

/** MCP25-11, MCP25-12, MCP26-28: was what the server asks declared to it? */
export function covers(offer: ClientAbilities, { kind, params }: Ask): boolean {
  if (kind === 'list_roots') return offer.roots;
  if (kind === 'sample') return offer.sample && (offer.sampleTools || !usesTools(params));
  const mode = member(params, 'mode');
  if (mode === undefined || mode === 'form') return offer.elicitForm;
  return mode === 'url' && offer.elicitUrl;
}

function usesTools(params: JsonObject): boolean {
  return member(params, 'tools') !== undefined || member(params, 'toolChoice') !== undefined;
}
