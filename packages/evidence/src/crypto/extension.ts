import { FormatError } from '../format-error.ts';
import { type DerNode, TAG } from './der.ts';

/** The value of an extension, DER, and whether a reader who does not know it must refuse. */
export interface Extension {
  critical: boolean;
  value: Uint8Array<ArrayBuffer>;
}

/** Extensions by object identifier (RFC 5280 section 4.1.2.9). @throws FormatError, also when one occurs twice */
export function parseExtensions(node: DerNode): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>();
  const parts = node.children(TAG.sequence);
  if (parts.length === 0) throw new FormatError('extensions: the list is empty');
  for (const part of parts) {
    const [id, ...members] = part.children(TAG.sequence);
    const [first] = members;
    // FALSE is the default and should be absent; vendors write it out.
    const critical = first?.tag === TAG.boolean ? first.bool() : null;
    const [value, ...rest] = critical === null ? members : members.slice(1);
    if (id === undefined || value === undefined || rest.length > 0) {
      throw new FormatError('extensions: one has not the parts that an extension has');
    }
    const oid = id.oid();
    if (extensions.has(oid)) throw new FormatError(`extensions: ${oid} occurs twice`);
    extensions.set(oid, { critical: critical ?? false, value: value.octetString() });
  }
  return extensions;
}
