import { type ChainEntry, textOf } from '../audit/chain-entry.ts';
import type { Expectations } from '../expectations.ts';
import { asserted, failed, proven, required } from '../finding.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import type { JsonObject } from '../json/value.ts';
import type { Check } from '../report.ts';
import { list, object, text, time } from '../shape.ts';
import type { WireClaim } from './wire.ts';

/** A tool that agents could use although the catalog does not hold it (wire-formats section 6.6). */
export type CatalogException = { tool_name: string; reason: string; authorized_by: string; added_at: string };

const ITEMS = list(object({ tool_name: text(), reason: text(), authorized_by: text(), added_at: time }));

/** The exceptions that a session_start `detail` names; null where its text for them is none. */
export function committedExceptions(detail: JsonObject): CatalogException[] | null {
  const said = textOf(detail, 'catalog_exceptions');
  if (said === null) return null;
  try {
    const items = parseJson(said);
    return ITEMS(items, 'catalog_exceptions') === null ? (items as CatalogException[]) : null;
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}

/** Whether the claim lists the exceptions that session_start, the entry `start`, committed to: the chain root covers those. */
export function exceptionsConfirmed({ gateway }: WireClaim, start: ChainEntry | null): boolean {
  const claimed = gateway.catalog_exceptions ?? [];
  if (!Object.hasOwn(start?.detail ?? {}, 'catalog_exceptions')) return claimed.length === 0;
  const committed = committedExceptions(start?.detail ?? {});
  return committed !== null && committed.length > 0 && canonicalSorted(committed) === canonicalSorted(claimed);
}

/**
 * Whether all that agents could use was in the catalog. Its hash says nothing of exceptions, so that a session with one is verified
 * only for a relying party that accepts it (W-31). No question where neither claim nor chain has any.
 */
export function exceptionChecks(
  claim: WireClaim,
  start: ChainEntry | null,
  { allowExceptions = false }: Expectations,
): Check[] {
  const claimed = claim.gateway.catalog_exceptions ?? [];
  const ask = (finding: Parameters<typeof required>[2]): Check[] => [
    required('catalog.exceptions', 'Was all that agents could use in the catalog?', finding),
  ];
  const named =
    start?.detail !== undefined && start.detail !== null && Object.hasOwn(start.detail, 'catalog_exceptions');
  if (claimed.length === 0 && !named) return [];
  if (named && !exceptionsConfirmed(claim, start))
    return ask(failed('the exceptions of the claim are not those that session_start names'));
  const told = `agents could use what the catalog does not hold: ${claimed.map(describe).join('; ')}`;
  return ask(
    allowExceptions ? proven(`${told}; which was allowed`, '--allow-exceptions') : asserted(told, '--allow-exceptions'),
  );
}

function describe(item: JsonObject): string {
  const said = (key: string): string => textOf(item, key) ?? 'unsaid';
  return `${said('tool_name')} since ${said('added_at')} on the word of ${said('authorized_by')} (${said('reason')})`;
}
