import { randomBytes } from 'node:crypto';
import { CONFIG_OPTION, type Command, JSON_OPTION } from '../command.ts';
import type { DoctorSystem } from '../doctor/system.ts';
import { EXIT, type Io } from '../io.ts';

export const doctorCommand: Command = {
  name: 'doctor',
  usage: '[--config FILE] [--json]',
  summary: 'look at this machine: devices, evidence, certificates, clock, process; and how to fix each',
  description: [
    'Looks at everything that a gateway needs of its machine, says what was found and how to fix what is wrong. Nothing is',
    'changed and nothing is served; the platform is asked for evidence once, as starting does. Run it as the user of the',
    'gateway, with its environment: in another shell, what it says of variables and permissions is about that shell.',
    'Exit code 1 when there is a problem; warnings do not count.',
  ],
  options: { config: CONFIG_OPTION, json: JSON_OPTION },
  examples: [
    ['cmcp doctor --config cmcp/cmcp.yaml', 'Before the first start, and when starting fails'],
    ['cmcp doctor --json', 'For a monitor'],
  ],
  async run(given, io) {
    const { readEnvironment } = await import('@cmcp/gateway');
    const { examine } = await import('../doctor/examine.ts');
    const { doctorText } = await import('../doctor/text.ts');
    const sections = await examine(await system(io), given.one('config'), readEnvironment(io.variables));
    const sound = sections.every(({ conditions }) => conditions.every(({ status }) => status !== 'problem'));
    io.out(
      given.has('json') ? `${JSON.stringify({ ok: sound, sections }, null, 2)}\n` : doctorText(sections, io.color),
    );
    return sound ? EXIT.done : EXIT.refused;
  },
};

/** This machine, as the gateway would meet it. */
async function system(io: Io): Promise<DoctorSystem> {
  const { detectAll, openPlatform, ownProcess, systemPlatforms } = await import('@cmcp/gateway');
  const { machine } = await import('../doctor/system.ts');
  // What evidence lacks is in the answer already.
  const silent = (): void => {};
  return {
    ...machine(),
    process: ownProcess(io.variables),
    detect: (config) => detectAll(systemPlatforms(config, silent)),
    tryEvidence: (config) =>
      openPlatform(config, {
        platforms: systemPlatforms(config, silent),
        nowMicros: () => Date.now() * 1000,
        randomBytes: (length) => new Uint8Array(randomBytes(length)),
      }),
  };
}
