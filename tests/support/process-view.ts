import { readdir, readFile, readlink } from 'node:fs/promises';

/** What a process holds open, as the kernel says it. */
export interface Held {
  /** TCP connections that others made to its port. */
  clients: number;
  /** TCP connections that it made to others. */
  upstreams: number;
  /** All descriptors, of whatever. */
  descriptors: number;
  /** Processes below it, at any depth. */
  processes: number;
}

const LISTENING = '0A';

/** @param port that the process listens on */
export async function heldBy(pid: number, port: number): Promise<Held> {
  const [links, connections, processes] = await Promise.all([openFiles(pid), tcpOf(pid), below(pid)]);
  const own = links.flatMap((link) => connections.get(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '') ?? []);
  const clients = own.filter(({ localPort }) => localPort === port).length;
  return { clients, upstreams: own.length - clients, descriptors: links.length, processes };
}

async function openFiles(pid: number): Promise<string[]> {
  const numbers = await readdir(`/proc/${pid}/fd`);
  return Promise.all(numbers.map((number) => readlink(`/proc/${pid}/fd/${number}`).catch(() => '')));
}

/** The connections of its network, by inode. */
async function tcpOf(pid: number): Promise<Map<string, { localPort: number }>> {
  const found = new Map<string, { localPort: number }>();
  for (const table of ['tcp', 'tcp6']) {
    const text = await readFile(`/proc/${pid}/net/${table}`, 'utf8').catch(() => '');
    for (const line of text.trim().split('\n').slice(1)) {
      const [, local = '', , state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state !== LISTENING) found.set(inode, { localPort: Number.parseInt(local.split(':')[1] ?? '', 16) });
    }
  }
  return found;
}

/** How many processes descend from `pid`; those that have ended and were not waited for yet are among them. */
async function below(pid: number): Promise<number> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // The name of the program, in brackets, may hold anything.
    const parent = / . (\d+) /.exec(stat.slice(stat.lastIndexOf(')') + 1))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const descends = (each: number | undefined): boolean =>
    each !== undefined && (parents.get(each) === pid || descends(parents.get(each)));
  return [...parents.keys()].filter((each) => descends(each)).length;
}

/** What the process holds in memory, in bytes (resident set). */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
