import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { FormatError, readCertificates } from '@cmcp/evidence';
import type { Catalog, CatalogServer, ServerTransport } from './catalog/types.ts';
import type { Config, ServerConfig } from './config/types.ts';
import { GatewayError } from './errors.ts';
import type { PeerMaterial } from './upstream/types.ts';

/** As much of a catalog as says who its servers are. */
type Servers = Pick<Catalog, 'form' | 'servers'>;

/** By server id: what HTTPS servers with a private authority or a client certificate are met with. */
export type Peers = ReadonlyMap<string, PeerMaterial>;

/**
 * Reads what the config names for the servers of the catalog, and holds the two together: a server that cannot be identified as
 * the catalog says is a reason not to start (AUTHZ-12), and so is a placeholder outside dev mode.
 * @throws GatewayError CONFIG_INVALID, CATALOG_INVALID
 */
export async function loadPeers(config: Config, catalog: Servers): Promise<Peers> {
  const peers = new Map<string, PeerMaterial>();
  for (const server of catalog.servers) {
    const own = Object.hasOwn(config.upstreams, server.id) ? config.upstreams[server.id] : undefined;
    const material = await peerOf(new Subject(config, catalog, server), own);
    if (material !== null) peers.set(server.id, material);
  }
  return peers;
}

/** One server, for messages. */
class Subject {
  readonly id: string;
  readonly transport: ServerTransport;
  /** The reference's form cannot name an authority, so that the config alone does. */
  readonly namesAuthorities: boolean;
  readonly dev: boolean;
  readonly #file: string;

  constructor(config: Config, catalog: Servers, server: CatalogServer) {
    this.id = server.id;
    this.transport = server.transport;
    this.namesAuthorities = catalog.form === 'cmcp';
    this.dev = config.dev;
    this.#file = config.file;
  }

  refuse(key: string, problem: string, cause?: unknown): GatewayError {
    return new GatewayError('CONFIG_INVALID', `${this.#file}: upstreams.${this.id}.${key}: ${problem}`, { cause });
  }
}

async function peerOf(subject: Subject, own: ServerConfig | undefined): Promise<PeerMaterial | null> {
  const { transport, id, dev } = subject;
  const { ca = null, client = null, sandbox = null } = own ?? {};
  if (transport.kind === 'stdio') {
    if (ca !== null || client !== null) throw subject.refuse('ca', 'is for HTTPS servers, and this is a stdio server');
    return null;
  }
  if (sandbox !== null) throw subject.refuse('sandbox', 'is for stdio servers, and this is an HTTP server');
  if (transport.pins?.placeholder && !dev) {
    throw new GatewayError(
      'CATALOG_INVALID',
      `server "${id}" has a placeholder for a pin, which pins nothing; outside dev mode write the digest of its certificate or key, or remove it`,
    );
  }
  const authorities = await authoritiesOf(subject, transport.pins?.ca ?? null, ca);
  if (transport.pins?.spiffeId && authorities === null) {
    throw subject.refuse('ca', 'is missing: the catalog names a SPIFFE id, which only its trust domain can vouch for');
  }
  const shown = client === null ? null : await clientOf(subject, client);
  return authorities === null && shown === null ? null : { authorities, client: shown };
}

/** The certificate that the catalog names, out of the file; of the reference's form, the whole file. */
async function authoritiesOf(subject: Subject, pinned: string | null, file: string | null): Promise<string[] | null> {
  if (file === null) {
    if (pinned === null) return null;
    throw subject.refuse('ca', `is missing: the catalog trusts only the authority ${pinned}; name its PEM file`);
  }
  if (pinned === null && subject.namesAuthorities) {
    throw subject.refuse('ca', 'the catalog names no authority of this server; add its digest as "ca" there');
  }
  const text = await read(subject, 'ca', file);
  const certificates = certificatesOf(subject, text);
  const meant = certificates.filter((each) => pinned === null || `sha256:${each.fingerprint}` === pinned);
  if (meant.length === 0) {
    const found = certificates.map((each) => `sha256:${each.fingerprint}`).join(', ');
    throw subject.refuse('ca', `${file} holds ${found}, and the catalog trusts only ${pinned}`);
  }
  return meant.map(({ der }) => new X509Certificate(der).toString());
}

function certificatesOf(subject: Subject, text: string): ReturnType<typeof readCertificates> {
  try {
    return readCertificates(new TextEncoder().encode(text));
  } catch (error) {
    if (error instanceof FormatError) throw subject.refuse('ca', error.message, error);
    throw error;
  }
}

async function clientOf(
  subject: Subject,
  client: { certificate: string; key: string },
): Promise<{ certificate: string; key: string }> {
  const certificate = await read(subject, 'client_certificate', client.certificate);
  const key = await read(subject, 'client_key', client.key);
  try {
    createSecureContext({ cert: certificate, key });
  } catch (error) {
    // OpenSSL's errors have codes of their own; whichever it is, the pair is of no use.
    throw subject.refuse('client_certificate', 'certificate and key are not a pair in PEM', error);
  }
  return { certificate, key };
}

async function read(subject: Subject, key: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw subject.refuse(key, `${file} cannot be read (${String(error.code)})`, error);
  }
}
