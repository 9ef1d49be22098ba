import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chownSync, constants, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where programs of the system are that a user's PATH may lack. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];
const NOBODY = 65_534;

/** The program, where it is installed. */
export function findNginx(path = process.env.PATH ?? ''): string | null {
  const candidates = [...path.split(delimiter), ...SYSTEM_FOLDERS].map((folder) => join(folder, 'nginx'));
  return candidates.find(isProgram) ?? null;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A proxy in front of a gateway, without rights of its own. */
export interface Nginx {
  /** Unix socket of the proxy as it comes: bodies are read whole before they are passed on. */
  readonly buffering: string;
  /** The same, but bodies are passed on as they come, framed as they came. */
  readonly streaming: string;
  stop(): Promise<void>;
}

/** Where a proxy serves a gateway as a part of a larger site. */
export interface Site {
  /** On loopback. */
  port: number;
  /** Such as `/tools`: the proxy takes it off. */
  prefix: string;
}

/** Starts `program` in front of the port of a gateway, which it also serves as a part of `site`. */
export async function startNginx(program: string, port: number, site: Site | null = null): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-nginx-'));
  const sockets = { buffering: join(folder, 'buffering.sock'), streaming: join(folder, 'streaming.sock') };
  const file = join(folder, 'nginx.conf');
  await writeFile(file, configuration(folder, sockets, port, site));
  await chmod(folder, 0o755);
  const root = process.getuid?.() === 0;
  if (root) chownSync(folder, NOBODY, NOBODY);
  const child = spawn(program, ['-e', 'stderr', '-p', folder, '-c', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(root && { uid: NOBODY, gid: NOBODY }),
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-4096);
  });
  const gone = once(child, 'exit');
  for (const path of Object.values(sockets)) {
    while (!(await answers(path))) {
      if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return {
    ...sockets,
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** As an operator would write it, but for patience: who leaves a message unfinished is not waited for. */
function configuration(
  folder: string,
  sockets: Pick<Nginx, 'buffering' | 'streaming'>,
  port: number,
  site: Site | null,
): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `  ${what}_temp_path ${join(folder, what)};`,
  );
  const proxy = (socket: string, more: string): string => `
  server {
    listen unix:${socket};
    location / {
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      ${more}
    }
  }`;
  return `daemon off;
master_process off;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 512; }
http {
  access_log off;
${temporary.join('\n')}
  client_header_timeout 2s;
  client_body_timeout 2s;
  keepalive_timeout 1s;
  upstream gateway {
    server 127.0.0.1:${port};
    keepalive 4;
  }
${proxy(sockets.buffering, '')}
${proxy(sockets.streaming, 'proxy_request_buffering off;')}
${site === null ? '' : siteOf(site)}
}
`;
}

/** As docs/identity.md says it is done. */
function siteOf({ port, prefix }: Site): string {
  const page = readFileSync(new URL('../../docs/identity.md', import.meta.url), 'utf8');
  const [, written = ''] = /^```nginx\n(.*?)^```/ms.exec(page) ?? [];
  const locations = written.replaceAll('/tools/', `${prefix}/`).replaceAll('127.0.0.1:8443', 'gateway');
  return `server { listen 127.0.0.1:${port};\n${locations} }`;
}
