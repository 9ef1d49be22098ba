import { canonicalSorted, digest, type JsonObject } from '@cmcp/evidence';
import { unsafeFlags } from '../process-guards/launch-flags.ts';
import { unsafeVariables } from '../process-guards/launch-variables.ts';
import { addedTrust } from './added-trust.ts';
import { filesBelow, hashFiles } from './file-hashes.ts';
import { type InstalledPackage, installedPackages } from './installed-packages.ts';
import { integrities } from './lockfile.ts';

/** How a process was started, as far as it can change what code runs and whom it trusts. */
export interface Launch {
  /** `process.execArgv`. */
  flags: readonly string[];
  variables: Readonly<Record<string, string>>;
}

/** As a gateway is started in production, where the guards refuse everything else. */
export const PLAIN_LAUNCH: Launch = { flags: [], variables: {} };

export interface CodeSource {
  /** Folders of the packages that the process starts from; what they depend on is found. */
  packages: readonly string[];
  /** The Node.js binary. */
  node: string;
  launch: Launch;
  /** Of a package that is not installed but a source tree: the folder that the process loads. */
  half: 'dist' | 'src';
}

/** The parts of the code, each `sha256:…`. */
export interface CodeParts {
  /** The bytes of the Node.js binary. */
  node: string;
  /** The bytes of every file of every package, by name, version and path in the package; and what each dependency resolves to. */
  packages: string;
  /** What npm checked before it unpacked them; null without its lockfile. */
  lockfile: string | null;
  /** Flags and variables that can change what code runs, and certificates that variables bring. */
  launch: string;
}

export interface CodeMeasurement {
  /** `sha256:…` over the parts. */
  digest: string;
  parts: CodeParts;
  /** `source`: at least one package of the product was not installed. */
  tree: 'installed' | 'source';
  /** `name@version`, sorted. */
  packages: string[];
  /** Files that were read, the Node.js binary among them. */
  files: number;
  /** By variable or flag, a digest of whom it makes Node.js trust; it is part of `launch`. */
  addedTrust: Record<string, string>;
}

/**
 * Measures what a process can load: every byte, no path of this machine (contracts section 4; defect W-11: of the files, not of a
 * list of them). Two installations of the same packages give the same, wherever they lie and however they nest.
 * @throws GatewayError PROCESS_UNSAFE when something cannot be measured
 */
export function measureCode({ packages: folders, node, launch, half }: CodeSource): CodeMeasurement {
  const packages = installedPackages(folders);
  const contents = hashPackages(packages, half);
  const integrity = integrities(packages.map(({ folder }) => folder));
  const [nodeHash = ''] = hashFiles([node]);
  const described = packages.map(({ name, version, dependencies }, index) =>
    canonicalSorted({ name, version, dependencies, files: contents[index] ?? {} }),
  );
  const trust = addedTrust(launch.flags, launch.variables);
  const parts: CodeParts = {
    node: `sha256:${nodeHash}`,
    packages: digest(distinct(described).join('\n')),
    lockfile: lockfileDigest(packages, integrity),
    launch: launchDigest(launch, trust),
  };
  return {
    digest: codeDigest(parts),
    parts,
    tree: packages.some(({ tree }) => tree === 'source') ? 'source' : 'installed',
    packages: distinct(packages.map(({ name, version }) => `${name}@${version}`)),
    files: contents.reduce((sum, files) => sum + Object.keys(files).length, 1),
    addedTrust: trust,
  };
}

/** The code component, `sha256:…`, from its parts. */
function codeDigest({ node, packages, lockfile, launch }: CodeParts): string {
  return digest(canonicalSorted({ node, packages, lockfile, launch }));
}

/** A package manager may install one package in several places: that is one package. */
function distinct(texts: string[]): string[] {
  return [...new Set(texts)].sort();
}

/** What is neither loaded nor packed: tests, and what the compiler remembers. */
const NOT_LOADED = /\.(?:test|d)\.ts$|\.tsbuildinfo$/;

/** By package, the hash of each file by its path in the package. */
function hashPackages(packages: readonly InstalledPackage[], half: 'dist' | 'src'): JsonObject[] {
  const lists = packages.map((each) => loadable(each, half));
  const hashes = hashFiles(
    packages.flatMap(({ folder }, index) => (lists[index] ?? []).map((path) => `${folder}/${path}`)),
  );
  const next = hashes.values();
  return lists.map((paths) => Object.fromEntries(paths.map((path) => [path, next.next().value ?? ''])));
}

/** What can be loaded from a package: all that was installed; of a source tree, what a build or a run from source reads. */
function loadable({ folder, tree }: InstalledPackage, half: 'dist' | 'src'): string[] {
  const every = (): boolean => true;
  if (tree === 'installed') return filesBelow(folder, (path) => path !== 'node_modules', every);
  const inside = new RegExp(`^(?:bin|${half})(?:/|$)`);
  const keep = (path: string): boolean => path === 'package.json' || (inside.test(path) && !NOT_LOADED.test(path));
  return filesBelow(folder, (path) => inside.test(path), keep);
}

function lockfileDigest(packages: readonly InstalledPackage[], integrity: readonly (string | null)[]): string | null {
  const rows = packages.flatMap(({ name, version }, index) => {
    const checked = integrity[index] ?? null;
    return checked === null ? [] : [canonicalSorted([name, version, checked])];
  });
  return rows.length === 0 ? null : digest(distinct(rows).join('\n'));
}

/** Without added trust there is no member for it: who adds none keeps the digest of earlier versions. */
function launchDigest({ flags, variables }: Launch, trust: Record<string, string>): string {
  const named = unsafeVariables(variables).map(({ name }): [string, string] => [name, digest(variables[name] ?? '')]);
  const added = Object.keys(trust).length === 0 ? {} : { trust };
  return digest(canonicalSorted({ flags: unsafeFlags(flags), variables: Object.fromEntries(named), ...added }));
}
