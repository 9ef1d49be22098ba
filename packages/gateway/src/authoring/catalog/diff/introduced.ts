import { isObject, type JsonValue, member } from '@cmcp/evidence';
import type { Finding } from '../../finding.ts';
import { excerpt } from '../lint/plain-text.ts';
import { destinationsIn } from './destinations.ts';
import type { Item } from './items.ts';
import { loosened } from './loosened.ts';
import { newMentions, newOrders } from './orders.ts';
import { schemaChanges } from './widened.ts';

/**
 * What the change of one item introduces: destinations, orders to the model, other tools that it speaks of, wider schemas, labels
 * that hold less. `before` null: all of it is new. `tools`: what all tools of both catalogs are called.
 */
export function introducedBy(before: Item | null, after: Item, tools: ReadonlySet<string>): Finding[] {
  const [old, now] = [before === null ? undefined : before.says, after.says];
  const note = noter(after);
  const known = new Set(old === undefined ? [] : destinationsIn(old).map(({ host }) => host));
  const fresh = new Map(destinationsIn(now).map(({ host, path }) => [host, path]));
  const others = new Set([...tools].filter((name) => !namesOf(after).includes(name)));
  return [
    ...[...fresh].filter(([host]) => !known.has(host)).map(([host, path]) => note.destination(path, host)),
    ...newOrders(old, now).map(({ sentence, path }) => note.order(path, sentence)),
    ...newMentions(old, now, others).map(({ sentence, path }) => note.mention(path, sentence)),
    ...(before === null ? [] : [...schemas(before, after), ...loosened(before, after).map(note.loosened)]),
  ];
}

/** What agents, policies and the server call it. */
export function namesOf({ name, says }: Item): string[] {
  return [name, String(member(says, 'upstream_name') ?? name), String(member(says, 'exposed_name') ?? name)];
}

function noter(item: Item) {
  const finding = (
    rule: string,
    severity: Finding['severity'],
    path: string,
    message: string,
    fix: string,
  ): Finding => ({
    rule,
    severity,
    where: placeOf(item, path),
    message,
    fix,
  });
  return {
    destination: (path: string, host: string) =>
      finding(
        'new-destination',
        'warning',
        path,
        `names ${excerpt(host)}, which it did not`,
        'Approve it only if data may go there or come from there.',
      ),
    order: (path: string, sentence: string) =>
      finding(
        'new-instruction',
        'warning',
        path,
        `tells the model to do something: ${excerpt(sentence, 200)}`,
        'Approve it only if it is about this item alone, and what you would tell the model yourself.',
      ),
    mention: (path: string, name: string) =>
      finding(
        'mentions-tool',
        'warning',
        path,
        `speaks of the tool ${excerpt(name)}`,
        'Approve it only if it changes nothing in how that tool is used.',
      ),
    loosened: ({ path, what }: { path: string; what: string }) =>
      finding('loosened', 'warning', path, what, 'Approve it only if whoever asks for it may decide this.'),
  };
}

const SCHEMAS = ['inputSchema', 'input_schema', 'outputSchema', 'output_schema'];

/** A wider input is something more that an agent can be made to send; a wider output, that a server can say more. */
function schemas(before: Item, after: Item): Finding[] {
  return SCHEMAS.flatMap((key) => {
    const [old, now] = [definitionOf(before), definitionOf(after)].map((definition) => member(definition, key) ?? {});
    const input = key.startsWith('input');
    return schemaChanges(old ?? {}, now ?? {}).map(({ effect, path, what }): Finding => {
      const severity = effect === 'narrowed' || !input ? 'info' : 'warning';
      return {
        rule: effect === 'unclear' ? 'changed-schema' : `${effect}-schema`,
        severity,
        where: placeOf(after, `/definition/${key}${path}`),
        message: what,
        fix: effect === 'narrowed' ? 'Calls that were accepted may fail.' : 'Approve it only if the tool needs it.',
      };
    });
  });
}

function definitionOf({ says }: Item) {
  const definition: JsonValue | undefined = member(says, 'definition');
  return isObject(definition) ? definition : {};
}

function placeOf({ kind, name }: Item, path: string): string {
  return `${kind} ${name}${path === '' ? '' : ` ${path}`}`;
}
