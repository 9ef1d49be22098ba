import type { CatalogServer } from '../../../catalog/types.ts';
import type { Environment } from '../../../config/environment.ts';
import type { Config } from '../../../config/types.ts';
import { GatewayError } from '../../../errors.ts';
import { upstreamSettings } from '../../../load-authority.ts';
import { loadPeers } from '../../../load-peers.ts';
import { offeredBy } from '../../../setup/offered.ts';
import { quietUpstream } from '../../../setup/quiet-upstream.ts';
import type { AskedServer } from './merge.ts';

const LIST_TIMEOUT_MS = 60_000;

/** A server that did not say what it offers, and why. */
export interface Unanswered {
  server: string;
  reason: string;
}

/** What a server offers now, asked as the gateway would ask it. */
export async function askServer(
  server: CatalogServer,
  config: Config,
  environment: Environment,
): Promise<AskedServer | Unanswered> {
  const peers = await loadPeers(config, { form: 'cmcp', servers: [server] });
  const settings = { ...upstreamSettings(config, server, peers), maxResponseBytes: 8 * 1024 * 1024 };
  const upstream = quietUpstream(environment, config.egress.allow)(server, settings);
  try {
    const { offered, instructions, untold } = await offeredBy(upstream, LIST_TIMEOUT_MS);
    const { id, displayName, transport } = server;
    return { id, displayName, transport, offered, instructions, untold: untold.map(({ kind }) => kind) };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { server: server.id, reason: `${error.code}: ${error.detail}` };
  } finally {
    await upstream.close();
  }
}
