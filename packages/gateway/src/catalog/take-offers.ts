import { GatewayError } from '../errors.ts';
import type { ListKind } from '../mcp/types.ts';
import { patternKey } from './assemble.ts';
import { digestOrNull } from './digests.ts';
import { Place } from './fields.ts';
import { MAX_ITEMS, MAX_TEMPLATES, type RecordContext } from './label-rules.ts';
import { kindName, type LeftOutItem, type ListedServer, type Offer, recordOf } from './offer.ts';
import { readPrompt } from './record-prompt.ts';
import { readResource } from './record-resource.ts';
import { readTool } from './record-tool.ts';

/** One offer for each key of a kind. */
export function distinct(server: ListedServer, kind: ListKind): Offer[] {
  const offers = new Map<string, Offer>();
  for (const item of server.offered[kind]) {
    const first = offers.get(item.key);
    if (first === undefined) offers.set(item.key, { server, kind, item, ambiguous: false });
    else if (digestOrNull(item.definition) !== digestOrNull(first.item.definition)) first.ambiguous = true;
  }
  return [...offers.values()];
}

/** Those that a catalog can hold beside those before them; the rest goes to `leftOut`. */
export function takeUsable(offers: readonly Offer[], context: RecordContext, leftOut: LeftOutItem[]): Offer[] {
  const shelf = new Shelf(context);
  return offers.filter((offer) => {
    const reason = shelf.put(offer);
    if (reason === null) return true;
    leftOut.push({ server: offer.server.id, kind: kindName(offer.kind), key: offer.item.key, reason });
    return false;
  });
}

/** What of a kind goes into the catalog, by the rules that hold when it is loaded. */
class Shelf {
  readonly #context: RecordContext;
  readonly #patterns = new Map<string, ListedServer>();
  #items = 0;
  #templates = 0;

  constructor(context: RecordContext) {
    this.#context = context;
  }

  /** Null when it was taken, else why not. */
  put(offer: Offer): string | null {
    if (offer.ambiguous) return 'it is offered twice, with different definitions; ask its author which one is meant';
    if (digestOrNull(offer.item.definition) === null) return 'its definition has no canonical form';
    if (this.#items === MAX_ITEMS) return `a catalog holds at most ${MAX_ITEMS} of a kind`;
    if (offer.kind === 'resourceTemplates' && this.#templates === MAX_TEMPLATES)
      return `a catalog holds at most ${MAX_TEMPLATES} templates`;
    const reason = this.#refusal(offer);
    if (reason !== null) return reason;
    this.#items += 1;
    if (offer.kind === 'resourceTemplates') this.#templates += 1;
    return null;
  }

  #refusal(offer: Offer): string | null {
    try {
      return this.#read(offer);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'CATALOG_INVALID') throw error;
      return error.detail;
    }
  }

  #read(offer: Offer): string | null {
    const record = recordOf(offer, 'any');
    const place = new Place('its record');
    if (offer.kind === 'tools') readTool(record, place, this.#context);
    else if (offer.kind === 'prompts') readPrompt(record, place, this.#context);
    else return this.#claimPattern(offer.server, patternKey(readResource(record, place, this.#context)));
    return null;
  }

  /** A URI leads to one server: the first that offers it. */
  #claimPattern(server: ListedServer, key: string): string | null {
    const holder = this.#patterns.get(key);
    if (holder === undefined) {
      this.#patterns.set(key, server);
      return null;
    }
    if (holder.id === server.id) return 'it is another spelling of one that is approved already';
    return (
      `server "${holder.id}" offers it too, and a URI leads to one server; to approve this one instead, give that record in ` +
      `catalog.json "server": "${server.id}" and its definition`
    );
  }
}
