import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

/** Makes dist/verify.html: one file that holds the whole verifier, and a policy that lets nothing else run or load. */

const folder = fileURLToPath(new URL('.', import.meta.url));
const source = (name: string): string => join(folder, 'src', name);

interface Bundle {
  script: string;
  /** Packages of others whose code is in it, by folder. */
  packages: string[];
}

async function bundle(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [source('main.tsx')],
    absWorkingDir: folder,
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: 'iife',
    target: 'es2024',
    platform: 'browser',
    charset: 'ascii',
    legalComments: 'none',
    conditions: ['cmcp-source'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
  });
  const inputs = Object.entries(metafile.outputs).flatMap(([, output]) => Object.keys(output.inputs));
  const packages = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
  return { script: outputFiles[0]?.text ?? '', packages: [...new Set(packages)].sort() };
}

/** What their licences ask for: name, version and licence text of every package that is inside. */
async function licences(packages: readonly string[]): Promise<string> {
  const texts = packages.map(async (path) => {
    const { name, version } = JSON.parse(await readFile(join(folder, path, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
    };
    return `${name} ${version}\n\n${(await readFile(join(folder, path, 'LICENSE'), 'utf8')).trim()}`;
  });
  return (await Promise.all(texts)).join('\n\n\n');
}

function policyFor(script: string, style: string): string {
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    // The verifier runs in a worker whose text is the page's own script.
    'worker-src blob:',
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types cmcp-worker',
  ].join('; ');
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

const { script, packages } = await bundle();
const { code: style } = await transform(await readFile(source('page.css'), 'utf8'), { loader: 'css', minify: true });
const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
const parts: [hole: string, text: string][] = [
  ['{{policy}}', escapeHtml(policyFor(script, style))],
  ['{{version}}', version],
  ['{{licences}}', escapeHtml(await licences(packages))],
  ['<style></style>', `<style>${style}</style>`],
  ['<script></script>', `<script>${script}</script>`],
];
let page = await readFile(source('page.html'), 'utf8');
for (const [hole, text] of parts) {
  if (!page.includes(hole)) throw new Error(`page.html has no ${hole}`);
  page = page.replace(hole, () => text);
}
await mkdir(join(folder, 'dist'), { recursive: true });
await writeFile(join(folder, 'dist', 'verify.html'), page);
