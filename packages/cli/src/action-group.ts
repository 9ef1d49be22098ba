import type { Action } from './action.ts';
import { refuseOthers, suggestion } from './arguments.ts';
import { CONFIG_OPTION, type Command, JSON_OPTION } from './command.ts';
import { UsageError } from './io.ts';

/** What a command of several actions is, besides its actions. */
interface Group {
  name: string;
  summary: string;
  actions: readonly Action[];
  /** The action that is meant when none is named; null: one has to be named. */
  standard: Action | null;
}

/** A command whose first word names one of its actions. `--config` and `--json` go with each. */
export function actionGroup({ name: command, summary, actions, standard }: Group): Command {
  return {
    name: command,
    usage: '<action> [options]',
    summary,
    description: [],
    actions,
    options: Object.assign({ config: CONFIG_OPTION, json: JSON_OPTION }, ...actions.map(({ options }) => options)),
    examples: actions.flatMap(({ examples }) => examples.slice(0, 1)),
    async run(given, io) {
      const [name, ...rest] = given.positionals;
      const names = actions.map((each) => each.name);
      const action = name === undefined ? standard : actions.find((each) => each.name === name);
      if (action === null) throw new UsageError(`say what to do: ${names.join(', ')}`);
      if (action === undefined) {
        throw new UsageError(`unknown action ${JSON.stringify(name)}${await suggestion(name ?? '', names)}`);
      }
      refuseOthers(given, ['config', 'json', ...Object.keys(action.options)], `cmcp ${command} ${action.name}`);
      return action.run(rest, given, io);
    },
  };
}
