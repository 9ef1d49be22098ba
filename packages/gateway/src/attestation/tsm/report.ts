import { encodeHex } from '@cmcp/evidence';
import type { Timers } from '../../timers.ts';
import { attempt, TsmError } from './error.ts';
import type { TsmFs } from './fs.ts';

// One request by the kernel's interface configfs-tsm (Documentation/ABI/testing/configfs-tsm-report).

/** Bytes that a caller chooses and the evidence carries. */
export const USER_DATA_SIZE = 64;
/** TSM_REPORT_OUTBLOB_MAX: no blob has more bytes. */
export const BLOB_MOST = 32 * 1024;
const ATTRIBUTE_MOST = 4096;
/** How often a busy platform is asked, and how long is waited before it is asked again, milliseconds. */
const BUSY_PAUSES: readonly number[] = [50, 200, 800];

/** What a request needs of the machine. */
export interface TsmMachine {
  fs: TsmFs;
  /** What stands before `/sys`: empty on a machine. */
  base: string;
  /** So many bytes that nobody can foresee. */
  random: (bytes: number) => Uint8Array;
  timers: Timers;
}

/** What the kernel answered. The format of the blobs is that of the provider. */
export interface TsmReport {
  outblob: Uint8Array<ArrayBuffer>;
  /** null: this kernel has none for this provider. Empty: the host gave nothing. */
  auxblob: Uint8Array<ArrayBuffer> | null;
}

/** The name of the kernel module that answers, as the attribute `provider` shows it. */
export type TsmProvider = 'sev_guest' | 'tdx_guest';

/** The folder in which every entry is a request. */
export function reportsFolder(base: string): string {
  return `${base}/sys/kernel/config/tsm/report`;
}

/**
 * Asks for evidence that carries `userData`. A platform that is busy is asked again, with a new entry, a few times. Whether the
 * answer carries what was asked is for the reader of its format to compare.
 *
 * @throws TsmError
 */
export async function requestReport(
  machine: TsmMachine,
  provider: TsmProvider,
  userData: Uint8Array,
  isGivenUp: () => boolean,
): Promise<TsmReport> {
  // Drivers refuse other lengths, and a shorter one would be the choice of who fills it up.
  if (userData.length !== USER_DATA_SIZE) throw new TsmError('refused', `evidence carries ${USER_DATA_SIZE} bytes`);
  for (const pause of BUSY_PAUSES) {
    try {
      return await withEntry(machine, (entry) => ask(machine.fs, entry, provider, userData, isGivenUp));
    } catch (error) {
      if (!(error instanceof TsmError) || error.code !== 'busy') throw error;
      await new Promise<void>((resolve) => machine.timers.after(pause, resolve));
      if (isGivenUp()) throw error;
    }
  }
  return withEntry(machine, (entry) => ask(machine.fs, entry, provider, userData, isGivenUp));
}

/** The provider that answers on this machine, without asking it for anything. @throws TsmError */
export function whoAnswers(machine: Pick<TsmMachine, 'fs' | 'base' | 'random'>): Promise<string> {
  return withEntry(machine, (entry) => attributeText(machine.fs, `${entry}/provider`));
}

/** Runs `use` with a fresh entry, which is removed whatever happens. Its name is random: no other program writes to it by chance. */
async function withEntry<T>(
  { fs, base, random }: Pick<TsmMachine, 'fs' | 'base' | 'random'>,
  use: (entry: string) => Promise<T>,
): Promise<T> {
  const entry = `${reportsFolder(base)}/cmcp-${encodeHex(random(16))}`;
  await attempt('making a request', () => fs.mkdir(entry));
  const [result] = await Promise.allSettled([use(entry)]);
  const [removed] = await Promise.allSettled([attempt('ending a request', () => fs.rmdir(entry))]);
  if (result.status === 'rejected') throw result.reason;
  if (removed.status === 'rejected') throw removed.reason;
  return result.value;
}

async function ask(
  fs: TsmFs,
  entry: string,
  provider: TsmProvider,
  userData: Uint8Array,
  isGivenUp: () => boolean,
): Promise<TsmReport> {
  const answering = await attributeText(fs, `${entry}/provider`);
  if (answering !== provider) throw new TsmError('no-provider', `${answering} answers here, not ${provider}`);
  const attributes = new Set(await attempt('looking at a request', () => fs.readdir(entry)));
  const start = await generation(fs, entry);
  let writes = 1n;
  await attempt('writing inblob', () => fs.writeFile(`${entry}/inblob`, userData));
  if (attributes.has('privlevel_floor') && (await writePrivilegeLevel(fs, entry))) writes += 1n;
  if (isGivenUp()) throw new TsmError('given-up', 'nobody waits for this request any more');
  const outblob = await blob(fs, entry, 'outblob');
  const auxblob = attributes.has('auxblob') ? await blob(fs, entry, 'auxblob') : null;
  // A manifest belongs to a report of the SVSM, in which REPORT_DATA is another value; service_provider, which asks for one, is not written.
  if (attributes.has('manifestblob') && (await blob(fs, entry, 'manifestblob')).length > 0) {
    throw new TsmError('foreign', 'the answer is one of the SVSM, which was not asked');
  }
  // Another writer between our write and our read would get us its report (ABI, `generation`).
  if ((await generation(fs, entry)) !== start + writes) {
    throw new TsmError('foreign', 'another program wrote to this request, or the kernel did not take ours');
  }
  return { outblob, auxblob };
}

/** Under an SVSM the guest may not ask for the most privileged level: the floor says for which it may. */
async function writePrivilegeLevel(fs: TsmFs, entry: string): Promise<boolean> {
  const floor = await attributeText(fs, `${entry}/privlevel_floor`);
  if (!/^[0-3]$/.test(floor))
    throw new TsmError('malformed', `privlevel_floor is ${JSON.stringify(floor)}, not 0 to 3`);
  if (floor === '0') return false;
  await attempt('writing privlevel', () => fs.writeFile(`${entry}/privlevel`, new TextEncoder().encode(floor)));
  return true;
}

async function generation(fs: TsmFs, entry: string): Promise<bigint> {
  const text = await attributeText(fs, `${entry}/generation`);
  if (!/^[0-9]{1,20}$/.test(text))
    throw new TsmError('malformed', `generation is ${JSON.stringify(text)}, not a number`);
  return BigInt(text);
}

function blob(fs: TsmFs, entry: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  return attempt(`reading ${name}`, () => fs.readFile(`${entry}/${name}`, BLOB_MOST));
}

/** The text of an attribute, of printable ASCII, without the line end that the kernel adds. */
async function attributeText(fs: TsmFs, path: string): Promise<string> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const bytes = await attempt(`reading ${name}`, () => fs.readFile(path, ATTRIBUTE_MOST));
  const text = String.fromCharCode(...bytes).replace(/\n$/, '');
  if (!/^[ -~]{1,64}$/.test(text)) throw new TsmError('malformed', `the attribute ${name} is not a short text`);
  return text;
}
