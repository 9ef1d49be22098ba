import type { JsonObject } from '@cmcp/evidence';
import { type ClientAbilities, readAbilities } from '../asks.ts';
import { HANDSHAKE_REVISIONS, LATEST_HANDSHAKE_REVISION } from '../revisions.ts';

/** A handshake revision, as far as it differs from the others. */
export interface Revision {
  readonly name: string;
  /**
   * Since 2025-06-18: titles, structured content and output schemas, resource links, elicitation, `_meta` on definitions and
   * content; and no batches any more.
   */
  readonly structured: boolean;
  /**
   * Since 2025-11-25: icons, forms with choices and defaults, elicitation by URL, tools for a sampled model; and streams that
   * begin with an event without a message.
   */
  readonly rich: boolean;
}

/** MCP25-02: the one that a client asks for, or the latest that begins with a handshake. */
export function agreeOn(requested: string): Revision {
  const name = HANDSHAKE_REVISIONS.has(requested) ? requested : LATEST_HANDSHAKE_REVISION;
  return { name, structured: name !== '2025-03-26', rich: name === LATEST_HANDSHAKE_REVISION };
}

/** What a client can be asked: what it declares, as far as its revision has it (MCP25-11, MCP25-12). */
export function abilitiesIn({ structured, rich }: Revision, capabilities: JsonObject): ClientAbilities {
  const declared = readAbilities(capabilities);
  return {
    // Before there were two kinds, whoever elicits shows forms.
    elicitForm: structured && (declared.elicitForm || (declared.elicitUrl && !rich)),
    elicitUrl: rich && declared.elicitUrl,
    sample: declared.sample,
    sampleTools: rich && declared.sampleTools,
    // Before it had to be declared, whoever samples was asked for it.
    sampleContext: rich ? declared.sampleContext : declared.sample,
    roots: declared.roots,
    tasks: false,
  };
}
