import type { CatalogServer } from '../catalog/types.ts';
import type { Environment } from '../config/environment.ts';
import { type Destination, egressFor } from '../egress.ts';
import type { Upstream, UpstreamSettings } from '../upstream/types.ts';
import { createUpstream } from '../upstream/upstream.ts';

/**
 * Connects servers to be asked once, outside a running gateway. What goes wrong is told by the error of the question, so
 * events are not logged.
 */
export function quietUpstream(
  environment: Environment,
  allow: readonly Destination[] | null = null,
): (server: CatalogServer, settings: UpstreamSettings) => Upstream {
  return (server, settings) => {
    const egress = egressFor([server], [settings.credential], allow);
    return createUpstream(server, settings, () => undefined, { baseEnv: environment.variables, egress });
  };
}
