import type { FileHandle } from 'node:fs/promises';
import { access, constants, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { encodeUtf8, equalBytes } from '@cmcp/evidence';
import type { ServerTransport } from '../catalog/types.ts';
import { loadsOtherCode } from './child-environment.ts';
import { IdentityRefused } from './identity-refused.ts';
import { type Shebang, shebangOf } from './shebang.ts';
import { treeDigest } from './tree-digest.ts';
import { type MeasuredFile, measureFile, measureOpen, openTrusted } from './trusted-file.ts';

type Spawn = Extract<ServerTransport, { kind: 'stdio' }>;

/** What is to be executed, and how to find out whether it still is what was measured. */
export interface MeasuredServer {
  /** Runs `executable` where there is one, else the file at this path. */
  command: string;
  args: string[];
  /** The measured program itself, open: whatever is put at its path meanwhile is not what runs. */
  executable: FileHandle | null;
  /** What was compared with the catalog. */
  pinned: readonly ('entrypoint' | 'interpreter' | 'package')[];
  /** @throws IdentityRefused when anything was changed or exchanged since */
  recheck(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Measures what the catalog pins of a server that is about to be started: its program or script, what interprets that, and the tree
 * that it loads code from. Every path is plain and in nobody else's hands.
 * @throws IdentityRefused: nothing was started
 */
export async function measureServer(
  spawn: Spawn,
  configuredEnv: Readonly<Record<string, string>>,
): Promise<MeasuredServer> {
  if (!isAbsolute(spawn.command)) {
    throw new IdentityRefused('the command is not an absolute path, so PATH would choose what runs');
  }
  await requireExecutable(spawn.command);
  const entrypoint = spawn.measureTarget ?? spawn.command;
  if (!isAbsolute(entrypoint)) throw new IdentityRefused('the measured file is not an absolute path');
  if (![spawn.command, ...spawn.args].includes(entrypoint)) {
    throw new IdentityRefused('the measured file is neither the command nor one of its arguments');
  }
  if (spawn.binaryDigest === null && spawn.package === undefined) return unpinned(spawn);
  const loader = loadsOtherCode(configuredEnv);
  if (loader !== null) throw new IdentityRefused(`${loader} would load code beside the measured file`);
  return await new Measurement(spawn, entrypoint).take();
}

function unpinned({ command, args }: Spawn): MeasuredServer {
  const nothing = async (): Promise<void> => {};
  return { command, args, executable: null, pinned: [], recheck: nothing, close: nothing };
}

/** One measurement of what a catalog pins. */
class Measurement {
  readonly #spawn: Spawn;
  readonly #entrypoint: string;
  readonly #files: MeasuredFile[] = [];

  constructor(spawn: Spawn, entrypoint: string) {
    this.#spawn = spawn;
    this.#entrypoint = entrypoint;
  }

  async take(): Promise<MeasuredServer> {
    const program = await this.#program();
    try {
      await this.#tree();
      const { binaryDigest, interpreter, package: tree } = this.#spawn;
      return {
        ...program,
        pinned: [
          ...(binaryDigest === null ? [] : (['entrypoint'] as const)),
          ...(interpreter === undefined ? [] : (['interpreter'] as const)),
          ...(tree === undefined ? [] : (['package'] as const)),
        ],
        recheck: () => this.#recheck(),
        close: async () => await program.executable?.close(),
      };
    } catch (error) {
      await program.executable?.close();
      throw error;
    }
  }

  /** What the kernel executes, and with which arguments. */
  async #program(): Promise<Pick<MeasuredServer, 'command' | 'args' | 'executable'>> {
    const { command, args, binaryDigest, interpreter } = this.#spawn;
    if (binaryDigest === null) return { command, args, executable: null };
    if (this.#entrypoint !== command) {
      if (interpreter !== undefined && interpreter.path !== command) {
        throw new IdentityRefused('the pinned interpreter is not the command, which is what runs the measured file');
      }
      await this.#file(this.#entrypoint, binaryDigest, 'the server file');
      return { command, args, executable: await this.#interpreter() };
    }
    const executable = await this.#open(command, binaryDigest, 'the server file');
    try {
      const shebang = await shebangOf(executable);
      if (shebang !== null) return await this.#script(shebang, executable);
      if (interpreter !== undefined)
        throw new IdentityRefused('the command has no interpreter: it is a program itself');
      return { command, args, executable };
    } catch (error) {
      await executable.close();
      throw error;
    }
  }

  /** The interpreter is started by name of the catalog: a `#!` line never makes PATH choose (ATK-24). */
  async #script(
    shebang: Shebang,
    script: FileHandle,
  ): Promise<Pick<MeasuredServer, 'command' | 'args' | 'executable'>> {
    const { command, args, interpreter } = this.#spawn;
    if (interpreter === undefined) {
      if (shebang.path === null) {
        throw new IdentityRefused('PATH would choose the interpreter of the command; pin it as "interpreter"');
      }
      await script.close();
      return { command, args, executable: null };
    }
    if (shebang.path !== null && shebang.path !== interpreter.path) {
      throw new IdentityRefused(`the command is run by ${shebang.path}, and the pinned interpreter is another`);
    }
    const executable = await this.#interpreter();
    await script.close();
    return { command: interpreter.path, args: [...shebang.args, command, ...args], executable };
  }

  async #interpreter(): Promise<FileHandle | null> {
    const { interpreter } = this.#spawn;
    return interpreter === undefined ? null : await this.#open(interpreter.path, interpreter.digest, 'the interpreter');
  }

  async #open(path: string, digest: string, what: string): Promise<FileHandle> {
    const handle = await openTrusted(path);
    try {
      this.#keep(await measureOpen(path, handle), digest, what);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #file(path: string, digest: string, what: string): Promise<void> {
    this.#keep(await measureFile(path), digest, what);
  }

  #keep(measured: MeasuredFile, digest: string, what: string): void {
    requireEqual(measured.digest, digest, what);
    this.#files.push(measured);
  }

  async #tree(): Promise<void> {
    const tree = this.#spawn.package;
    if (tree === undefined) return;
    if (!this.#entrypoint.startsWith(`${tree.path}/`)) {
      throw new IdentityRefused('the measured file is outside of the pinned package, which then says nothing of it');
    }
    requireEqual(await treeDigest(tree.path), tree.treeDigest, 'the package');
  }

  async #recheck(): Promise<void> {
    for (const { path, digest, state } of this.#files) {
      const now = await measureFile(path);
      if (now.digest === digest && now.state === state) continue;
      throw new IdentityRefused(`${path} was exchanged while the server started`);
    }
    await this.#tree();
  }
}

function requireEqual(found: string, pinned: string, what: string): void {
  if (equalBytes(encodeUtf8(found), encodeUtf8(pinned))) return;
  throw new IdentityRefused(`${what} is not the approved one: its digest differs`);
}

async function requireExecutable(path: string): Promise<void> {
  try {
    await access(path, constants.X_OK);
    if ((await stat(path)).isFile()) return;
  } catch (error) {
    throw new IdentityRefused('the command is not an executable file', error);
  }
  throw new IdentityRefused('the command is not an executable file');
}
