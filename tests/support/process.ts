import type { CodeMeasurement, Launch } from '../../packages/gateway/src/attestation/measurement/code.ts';
import { measureCode } from '../../packages/gateway/src/attestation/measurement/code.ts';
import { ownCode, ownScript } from '../../packages/gateway/src/attestation/measurement/program.ts';
import type { ProcessFacts } from '../../packages/gateway/src/attestation/process-guards/process-facts.ts';

/** What the kernel says of a process that nothing is wrong with, by the path of the file. */
export const QUIET_KERNEL: Readonly<Record<string, string>> = {
  '/proc/self/coredump_filter': '00000033\n',
  '/proc/self/limits': 'Max core file size        0                    0                    bytes     \n',
  '/proc/sys/kernel/core_pattern': 'core\n',
  '/proc/self/maps': [
    '00400000-00746000 r--p 00000000 fe:00 5310601                            /opt/node/bin/node',
    '0074a000-03044000 r-xp 0034a000 fe:00 5310601                            /opt/node/bin/node',
    '7f07bc000000-7f07dbdc0000 rwxp 00000000 00:00 0 ',
    '7f07fbe44000-7f07fbf9a000 r-xp 00026000 fe:00 339380                     /usr/lib/x86_64-linux-gnu/libc.so.6',
    '7f07fc3e8000-7f07fc3ea000 r-xp 00000000 00:00 0                          [vdso]',
    '',
  ].join('\n'),
  '/proc/self/status': 'Name:\tnode\nTracerPid:\t0\nUid:\t1000\t1000\t1000\t1000\n',
  '/proc/sys/kernel/yama/ptrace_scope': '1\n',
};

/** A process as a careful operator starts it; `changes` are what is wrong with it. What is written is there to be read. */
export function quietProcess(
  changes: Partial<ProcessFacts> = {},
  kernel: Readonly<Record<string, string>> = QUIET_KERNEL,
): ProcessFacts & { ignored: NodeJS.Signals[] } {
  const files = new Map(Object.entries(kernel));
  const ignored: NodeJS.Signals[] = [];
  return {
    platform: 'linux',
    flags: [],
    variables: {},
    executable: '/opt/node/bin/node',
    program: ownScript(),
    user: 1000,
    inspectorUrl: () => undefined,
    ignoreSignal: (signal) => void ignored.push(signal),
    read: async (path) => files.get(path) ?? null,
    exists: async (path) => files.has(path),
    write: async (path, text) => void (files.has(path) && files.set(path, `${text.padStart(8, '0')}\n`)),
    ...changes,
    ignored,
  };
}

let measured: CodeMeasurement | null = null;

/** Measures this process once: the tests start hundreds of gateways, and each would read the same files again. */
export function measuredOnce(launch: Launch): CodeMeasurement {
  measured ??= measureCode(ownCode(launch));
  return measured;
}
