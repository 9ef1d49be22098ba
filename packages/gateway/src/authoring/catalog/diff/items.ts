import type { JsonObject, JsonValue } from '@cmcp/evidence';
import type { Catalog, CatalogServer, Labels } from '../../../catalog/types.ts';

export type ItemKind = 'server' | 'tool' | 'resource' | 'template' | 'prompt';

/** One thing that a catalog approves, with everything that it says of it. */
export interface Item {
  kind: ItemKind;
  /** The server's id for people. */
  server: string;
  /** What policies and people call it; for servers the id. */
  name: string;
  says: JsonObject;
  /** Rank of its sensitivity; null for a server. */
  rank: number | null;
}

/** Everything that a catalog of either form approves, servers first. */
export function itemsOf(catalog: Catalog): Item[] {
  return [
    ...catalog.servers.map(serverItem),
    ...catalog.tools.map((tool) =>
      item('tool', tool, {
        upstream_name: tool.upstreamName,
        exposed_name: tool.exposedName,
        definition: tool.definition,
        effects: tool.effects,
        ...(tool.cost === 1 ? {} : { cost: tool.cost }),
      }),
    ),
    ...catalog.resources.map((resource) => {
      const { pattern, definition, contentDigest: digest } = resource;
      return pattern.kind === 'uri'
        ? item('resource', resource, { uri: pattern.uri, definition, digest })
        : item('template', resource, { uri_template: pattern.template.text, definition, digest });
    }),
    ...catalog.prompts.map((prompt) =>
      item('prompt', prompt, {
        upstream_name: prompt.upstreamName,
        exposed_name: prompt.exposedName,
        definition: prompt.definition,
        digest: prompt.contentDigest,
      }),
    ),
  ];
}

function item(kind: ItemKind, labels: Labels, says: Record<string, JsonValue>): Item {
  const { name, server, sensitivity, sensitivityRank, complianceDomain, destinationClass, requiresBaa } = labels;
  const own = {
    server: server.id,
    sensitivity,
    compliance_domain: complianceDomain,
    destination_class: destinationClass,
    requires_baa: requiresBaa,
  };
  return { kind, server: server.id, name, says: { ...own, ...given(says) }, rank: sensitivityRank };
}

function serverItem({ id, displayName, transport, instructions, asks, provenance }: CatalogServer): Item {
  const { kind, ...reached } = transport;
  const says = {
    display_name: displayName,
    transport: kind,
    ...given({ ...reached } as JsonObject),
    ...given({ instructions, ...(provenance && { provenance: { ...provenance } as JsonObject }) }),
    asks: [...asks],
  };
  return { kind: 'server', server: id, name: id, says, rank: null };
}

/** What is null was not given. */
function given(says: Record<string, JsonValue>): JsonObject {
  return Object.fromEntries(Object.entries(says).filter(([, value]) => value !== null));
}
