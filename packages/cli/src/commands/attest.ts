import { refuseOthers, suggestion } from '../arguments.ts';
import type { AttestAction } from '../attest/action.ts';
import { enrollAction } from '../attest/enroll.ts';
import { evidenceAction } from '../attest/evidence.ts';
import { fetchCollateralAction } from '../attest/fetch-collateral.ts';
import { measureAction } from '../attest/measure.ts';
import { verifyAction } from '../attest/verify.ts';
import { CONFIG_OPTION, type Command, JSON_OPTION } from '../command.ts';
import { UsageError } from '../io.ts';

/** What `cmcp attest` can do. */
const ACTIONS: readonly AttestAction[] = [
  evidenceAction,
  verifyAction,
  enrollAction,
  measureAction,
  fetchCollateralAction,
];

export const attestCommand: Command = {
  name: 'attest',
  usage: ACTIONS.map(({ usage }) => usage).join(' | '),
  summary: 'evidence about this machine: show it, enrol it, measure the gateway',
  description: ACTIONS.flatMap(({ name, description }) => [`${name}:`, ...description.map((line) => `  ${line}`)]),
  options: Object.assign({ config: CONFIG_OPTION, json: JSON_OPTION }, ...ACTIONS.map(({ options }) => options)),
  examples: ACTIONS.flatMap(({ examples }) => examples),
  async run(given, io) {
    const [name = evidenceAction.name, ...rest] = given.positionals;
    const action = ACTIONS.find((each) => each.name === name);
    if (action === undefined) {
      const names = ACTIONS.map((each) => each.name);
      throw new UsageError(`unknown action ${JSON.stringify(name)}${await suggestion(name, names)}`);
    }
    refuseOthers(given, ['config', 'json', ...Object.keys(action.options)], `cmcp attest ${name}`);
    return action.run(rest, given, io);
  },
};
