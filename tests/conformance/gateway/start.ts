import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway, loadConfig, readEnvironment } from '@cmcp/gateway';
import { measuredOnce, quietProcess } from '../../support/process.ts';
import { approve, type ByHand, type NamedServer } from './approve.ts';

/** A gateway that serves one server, to whoever brings the token. */
export interface GatewayInFront {
  readonly url: URL;
  readonly token: string;
  close(): Promise<void>;
}

/** Starts a gateway, in this process, in front of a server of which everything is approved and allowed. */
export async function startGateway(server: NamedServer, byHand: ByHand = { origins: [] }): Promise<GatewayInFront> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-conf-'));
  const environment = readEnvironment({ CMCP_DEV_MODE: '1', PATH: process.env.PATH });
  try {
    const { config, token } = await approve(folder, server, byHand, environment);
    const gateway = new Gateway(await loadConfig(config, environment), {
      environment,
      report: () => undefined,
      process: quietProcess(),
      measureCode: measuredOnce,
    });
    const { url } = await gateway.start();
    const close = async (): Promise<void> => {
      await gateway.stop();
      await rm(folder, { recursive: true });
    };
    return { url: new URL(url ?? ''), token, close };
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
}
