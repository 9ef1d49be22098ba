import { printable } from '@cmcp/evidence';
import { useState } from 'preact/hooks';
import { hexDump } from '../verification/hex-dump.ts';

const FIRST = 4_096;
const MORE = 65_536;

/** Bytes as they were received, as text or in hexadecimal; a long part in pieces. */
export function RawView({ name, bytes }: { name: string; bytes: Uint8Array<ArrayBuffer> }) {
  const [hex, setHex] = useState(false);
  const [shown, setShown] = useState(FIRST);
  const piece = bytes.subarray(0, shown);
  return (
    <section class="raw" aria-label={`Raw bytes: ${printable(name)}`}>
      <div class="row">
        <span class="quiet">
          {bytes.length.toLocaleString('en')} bytes, as received{shown < bytes.length && `; the first ${shown} shown`}
        </span>
        <span class="row">
          <button type="button" class="small" aria-pressed={!hex} onClick={() => setHex(false)}>
            Text
          </button>
          <button type="button" class="small" aria-pressed={hex} onClick={() => setHex(true)}>
            Hex
          </button>
        </span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <pre tabIndex={0} class={hex ? 'hex' : ''}>
        {hex ? hexDump(piece) : visibleText(piece)}
      </pre>
      {shown < bytes.length && (
        <button type="button" class="small" onClick={() => setShown(shown + MORE)}>
          Show more
        </button>
      )}
    </section>
  );
}

/** Line breaks and tabs stay; every other character that could act is shown instead. */
function visibleText(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  return text.replace(/[^\n\t]+/g, printable);
}
