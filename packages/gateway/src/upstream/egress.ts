import type { Catalog } from '../catalog/types.ts';
import type { Config, SandboxConfig } from '../config/types.ts';

/** Whether a server can reach the network past the gateway (OMCP-09). */
export type Egress = 'confined' | 'egress-unconfined';

export function egressOf(sandbox: SandboxConfig | null): Egress {
  return sandbox?.network === 'none' ? 'confined' : 'egress-unconfined';
}

/** Of all children of a catalog together; servers on the network are not the gateway's to confine. */
export function egressOfAll(config: Config, catalog: Catalog): Egress | 'no-children' {
  const children = catalog.servers.filter(({ transport }) => transport.kind === 'stdio');
  if (children.length === 0) return 'no-children';
  const sandboxOf = (id: string): SandboxConfig | null =>
    Object.hasOwn(config.upstreams, id) ? (config.upstreams[id]?.sandbox ?? null) : null;
  return children.every(({ id }) => egressOf(sandboxOf(id)) === 'confined') ? 'confined' : 'egress-unconfined';
}
