import { type KindName, kindName } from '../catalog/offer.ts';
import { GatewayError } from '../errors.ts';
import type { ListKind } from '../mcp/types.ts';
import type { Listed, Upstream } from '../upstream/types.ts';

/** What a server offers now. */
export interface Offered {
  offered: Record<ListKind, Listed[]>;
  instructions: string | null;
  /** What it would not tell, and why. */
  untold: { kind: KindName; reason: string }[];
}

/**
 * Asks a server for everything that a catalog can approve of it. Many servers fail on a kind that they do not have, so that only
 * the tools must be listed; of the rest it is said what was not.
 *
 * @throws GatewayError what listing the tools failed with
 */
export async function offeredBy(upstream: Upstream, timeoutMs: number): Promise<Offered> {
  const untold: Offered['untold'] = [];
  const told = async <T>(kind: KindName, question: Promise<T>, nothing: T): Promise<T> => {
    try {
      return await question;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      untold.push({ kind, reason: `${error.code}: ${error.detail}` });
      return nothing;
    }
  };
  const tools = await upstream.list('tools', AbortSignal.timeout(timeoutMs));
  const listed = (kind: ListKind): Promise<Listed[]> =>
    told(kindName(kind), upstream.list(kind, AbortSignal.timeout(timeoutMs)), []);
  const [resources, resourceTemplates, prompts, instructions] = await Promise.all([
    listed('resources'),
    listed('resourceTemplates'),
    listed('prompts'),
    told('instructions', upstream.instructions(AbortSignal.timeout(timeoutMs)), null),
  ]);
  return { offered: { tools, resources, resourceTemplates, prompts }, instructions, untold };
}
