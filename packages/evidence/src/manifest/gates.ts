import { type Finding, failed, proven, provenUnless, required } from '../finding.ts';
import { type JsonObject, type JsonValue, member } from '../json/value.ts';
import { parseTimestamp } from '../time.ts';
import type { ManifestDocument } from './document.ts';
import { schemaProblem } from './schema.ts';
import { type ManifestResult, type Stage, stage } from './stage.ts';

/** A part of the verification that ends it unless it is passed. */
export interface Gate extends Stage {
  /** The verdict when it ends here; null: passed. */
  ends: ManifestResult | null;
}

/** Goes through gates in order and adds what they found to `stages`. Gives the verdict of the gate that was not passed, or null. */
export async function passGates(
  gates: readonly (() => Gate | Promise<Gate>)[],
  stages: Stage[],
): Promise<ManifestResult | null> {
  for (const gate of gates) {
    const found = await gate();
    stages.push(found);
    if (found.ends !== null) return found.ends;
  }
  return null;
}

/** Whether the document has the members of a manifest and no others. */
export function schemaGate(document: JsonObject): Gate {
  const finding = provenUnless(schemaProblem(document), 'every member is one that manifests have');
  return gate('manifest.schema', 'Has every member the form that it should have?', finding, 'MISMATCH');
}

/** Whether the manifest is of a version that this verifier reads: no other is interpreted. */
export function versionGate(document: JsonObject, known: readonly JsonValue[]): Gate {
  const version = member(document, 'version');
  const finding =
    version !== undefined && known.includes(version)
      ? proven(`it is of version ${version}`)
      : failed(
          `version ${JSON.stringify(version) ?? '(none)'} is not one that is read in this form: ${known.join(', ')}`,
        );
  return gate('manifest.version', 'Is it of a version that this verifier knows?', finding, 'INCOMPATIBLE_VERSION');
}

/** Whether the manifest is in force: issued_at <= now < expires_at. @param at seconds since the epoch */
export function validityGate({ issued_at, expires_at }: ManifestDocument, at: number): Gate {
  const title = 'Is the manifest in force?';
  const issued = parseTimestamp(issued_at);
  const expires = parseTimestamp(expires_at);
  const against = 'the verifier’s clock';
  if (issued === null || issued > at * 1e6) {
    return gate(
      'manifest.validity',
      title,
      failed(`it was issued at ${issued_at}, which is still to come`, against),
      'MISMATCH',
    );
  }
  // Not the other way round: a clock that is no number is past everything.
  if (expires === null || !(at * 1e6 < expires)) {
    return gate('manifest.validity', title, failed(`it expired at ${expires_at}`, against), 'EXPIRED');
  }
  return gate(
    'manifest.validity',
    title,
    proven(`it is in force from ${issued_at} to ${expires_at}`, against),
    'EXPIRED',
  );
}

function gate(id: string, title: string, finding: Finding, ends: ManifestResult): Gate {
  return { ...stage([required(id, title, finding)]), ends: finding.outcome === 'failed' ? ends : null };
}
