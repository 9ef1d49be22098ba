import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import type { Arguments, Option } from '../arguments.ts';
import { UsageError } from '../io.ts';
import { operatorAction, said } from '../policy/operate.ts';
import { columns, table } from '../table.ts';

const REASON: Record<string, Option> = { reason: { value: 'TEXT', help: 'Why. Recorded.' } };

export const listAction = operatorAction(
  {
    name: 'list',
    usage: 'list',
    description: ['Lists what is stopped, by whom or by which rule, and why.'],
    options: {},
    examples: [],
  },
  () => ({ method: 'GET', route: 'blocks' }),
  (answer) => {
    const blocks = objectsIn(answer, 'blocks');
    return blocks.length === 0 ? 'Nothing is stopped.' : table(COLUMNS, blocks.map(cells));
  },
);

export const agentAction = blockAction('agent', 'SUBJECT', [
  'Stops an agent in every session, by the subject that it is known under. Answers of calls under way are withheld, its',
  'streams end, and no session opens for it.',
]);
export const sessionAction = blockAction('session', 'ID', [
  'Stops one session. Its agent may open another: to stop the agent, stop the agent.',
]);
export const toolAction = blockAction('tool', 'NAME', [
  'Stops a tool, by its name in the catalog, for everybody. It is not listed any more.',
]);
export const serverAction = blockAction('server', 'ID', [
  'Stops everything of a server, by its id in the catalog: tools, resources and prompts.',
]);
export const allAction = blockAction('all', null, ['Stops everything.']);

export const liftAction = operatorAction(
  {
    name: 'lift',
    usage: 'lift ID --reason TEXT',
    description: ['Lets go on what was stopped. `cmcp kill list` shows the ids.'],
    options: REASON,
    examples: [['cmcp kill lift "$ID" --reason "looked at, ticket 7"', 'The reason is recorded']],
  },
  ([id], given) => ({
    method: 'POST',
    route: `blocks/${idIn(id)}/lift`,
    body: { reason: reasonIn(given) },
  }),
  (answer) => `${what(answer)} goes on.`,
);

export const limitsAction = operatorAction(
  {
    name: 'limits',
    usage: 'limits',
    description: ['Shows the limits on use, and who has used most of each within its window.'],
    options: {},
    examples: [],
  },
  () => ({ method: 'GET', route: 'limits' }),
  (answer) => {
    const limits = objectsIn(answer, 'limits');
    return limits.length === 0 ? 'Nothing is limited.' : limits.map(limitText).join('\n\n');
  },
);

function blockAction(scope: string, target: string | null, description: string[]): Action {
  const usage = `${scope}${target === null ? '' : ` ${target}`} --reason TEXT`;
  const example = `cmcp kill ${scope}${target === null ? '' : ` "$${target}"`} --reason "ticket 7"`;
  return operatorAction(
    { name: scope, usage, description, options: REASON, examples: [[example, 'In force at once']] },
    ([name, ...more], given) => {
      if (more.length > 0 || (name === undefined) !== (target === null))
        throw new UsageError(`say what to stop: cmcp kill ${usage}`);
      const named = name === undefined ? {} : { name };
      return { method: 'POST', route: 'blocks', body: { scope, ...named, reason: reasonIn(given) } };
    },
    (answer) => {
      const unknown =
        member(answer, 'known') === false ? `\nNothing of that name is known here: is it spelled so?` : '';
      return `${what(answer)} is stopped: ${said(member(answer, 'id'))}${unknown}`;
    },
  );
}

function what(block: JsonObject): string {
  const scope = said(member(block, 'scope'));
  return scope === 'all' ? 'Everything' : `The ${scope} ${said(member(block, 'name'))}`;
}

function idIn(id: string | undefined): string {
  if (id === undefined) throw new UsageError('say which: cmcp kill lift ID --reason TEXT');
  // It becomes part of a path.
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new UsageError(`${JSON.stringify(id)} is not the id of a block`);
  return id;
}

function reasonIn(given: Arguments): string {
  const reason = given.one('reason');
  if (reason === null) throw new UsageError('give --reason');
  return reason;
}

const COLUMNS = ['id', 'scope', 'name', 'by', 'rule', 'since', 'reason'];

function cells(block: JsonObject): string[] {
  return COLUMNS.map((name) => (member(block, name) === null ? '-' : said(member(block, name))));
}

const UNITS = ['calls', 'bytes', 'cost'];

function limitText(limit: JsonObject): string {
  const most = UNITS.flatMap((unit) => (member(limit, unit) === null ? [] : [`${said(member(limit, unit))} ${unit}`]));
  const window = `${said(member(limit, 'window_seconds'))} s`;
  const head = columns([[`per ${said(member(limit, 'per'))}`, `${most.join(', ')} within ${window}`]]);
  const used = objectsIn(limit, 'used').map((each) => ['of', ...UNITS].map((name) => said(member(each, name))));
  return used.length === 0 ? head : `${head}\n${table(['of', ...UNITS], used)}`;
}

function objectsIn(answer: JsonObject, name: string): JsonObject[] {
  const list = member(answer, name);
  return Array.isArray(list) ? list.filter(isObject) : [];
}
