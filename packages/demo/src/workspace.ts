import { lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The demo cannot be told in this folder; the message says why and what to do. Nothing was changed. */
export class DemoRefused extends Error {
  override readonly name = 'DemoRefused';
}

const MARKER = '.made-by-cmcp-demo';

/** Everything that the demo itself ever puts into its folder, and hence all that it ever removes from it. */
const OWN = ['mcp.json', 'files', 'memory.jsonl', 'gateway', 'altered'];

/** As `cmcp init` and the configuration have it. */
const SOCKET = join('gateway', 'data', 'operator.sock');
const SOCKET_PATH_BYTES = 100;

const NOTE = `Status notes, for everybody

- The web shop was slow on Monday from 09:10 to 09:40. A cache was too small; it is larger now.
- No customer data was affected.
`;

const CUSTOMERS = `id,name,email,city,card_ending
1001,Ada Example,ada@shop.example,Lisbon,4417
1002,Ben Sample,ben@shop.example,Tallinn,0093
1003,Chloe Specimen,chloe@shop.example,Graz,7725
`;

const DEPLOY_KEY = 'not-a-real-key: invented for the cmcp demo\n';

/** The demo's folder. All paths are absolute. */
export interface Workspace {
  root: string;
  /** A client configuration, as a desktop client keeps one. */
  clientConfig: string;
  /** What the filesystem server may see. */
  files: { folder: string; note: string; customers: string; deployKey: string };
  memory: string;
  /** Where `cmcp init` writes. */
  gateway: string;
  /** Altered copies of a session file. */
  altered: string;
}

/**
 * Makes the demo's folder with invented files: `dir`, else `./cmcp-demo`, or a temporary folder where that path is too long
 * for a socket. What an earlier run made there is replaced; a folder that the demo did not make is left alone (DemoRefused).
 */
export async function makeWorkspace(dir: string | null): Promise<Workspace> {
  const root = await rootFor(dir);
  await claimFolder(root);
  const folder = join(root, 'files');
  const workspace: Workspace = {
    root,
    clientConfig: join(root, 'mcp.json'),
    files: {
      folder,
      note: join(folder, 'notes.txt'),
      customers: join(folder, 'customers.csv'),
      deployKey: join(folder, 'secrets', 'deploy-key.txt'),
    },
    memory: join(root, 'memory.jsonl'),
    gateway: join(root, 'gateway'),
    altered: join(root, 'altered'),
  };
  await mkdir(join(folder, 'secrets'), { recursive: true });
  await mkdir(workspace.altered);
  await writeFile(workspace.files.note, NOTE);
  await writeFile(workspace.files.customers, CUSTOMERS);
  await writeFile(workspace.files.deployKey, DEPLOY_KEY);
  return workspace;
}

/** The gateway's operator socket lies in this folder, and the path of a socket is short on every system. */
async function rootFor(dir: string | null): Promise<string> {
  const root = resolve(dir ?? 'cmcp-demo');
  if (Buffer.byteLength(join(root, SOCKET)) <= SOCKET_PATH_BYTES) return root;
  if (dir === null) return mkdtemp(join(tmpdir(), 'cmcp-demo-'));
  throw new DemoRefused(
    `${root} is too long for the path of a Unix socket. Choose a shorter one: cmcp demo --dir FOLDER`,
  );
}

async function claimFolder(root: string): Promise<void> {
  const found = await lstat(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found !== null && !found.isDirectory()) {
    throw new DemoRefused(`${root} exists and is not a folder. Choose another one: cmcp demo --dir FOLDER`);
  }
  const held = found === null ? [] : await readdir(root);
  if (held.length > 0 && !held.includes(MARKER)) {
    throw new DemoRefused(
      `${root} holds files that the demo did not make. Choose another folder: cmcp demo --dir FOLDER`,
    );
  }
  for (const name of OWN) await rm(join(root, name), { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  await writeFile(join(root, MARKER), 'Made by `cmcp demo`, which replaces its own files here on each run.\n');
}
