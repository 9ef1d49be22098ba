import { describeFile, printable, treeLines } from '@cmcp/evidence';
import { useState } from 'preact/hooks';
import { hexDump } from '../verification/hex-dump.ts';

const FIRST = 4_096;
const MORE = 65_536;

/** A way to look at bytes. */
type Reading = 'text' | 'hex' | 'members';

interface Props {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
  /** The bytes are evidence, which text says nothing about: its members are shown first. */
  evidence: boolean;
}

/** Bytes as they were received, as text or in hexadecimal; of evidence also what they mean. A long part comes in pieces. */
export function RawView({ name, bytes, evidence }: Props) {
  const readings: Reading[] = evidence ? ['members', 'hex', 'text'] : ['text', 'hex'];
  const [reading, setReading] = useState<Reading>(evidence ? 'members' : 'text');
  const [shown, setShown] = useState(FIRST);
  const cut = reading !== 'members' && shown < bytes.length;
  return (
    <section class="raw" aria-label={`Raw bytes: ${printable(name)}`}>
      <div class="row">
        <span class="quiet">
          {bytes.length.toLocaleString('en')} bytes, as received
          {cut && `; the first ${shown.toLocaleString('en')} shown`}
        </span>
        <span class="row">
          {readings.map((each) => (
            <button
              key={each}
              type="button"
              class="small"
              aria-pressed={reading === each}
              onClick={() => setReading(each)}
            >
              {LABELS[each]}
            </button>
          ))}
        </span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <pre tabIndex={0} class={reading === 'hex' ? 'hex' : ''}>
        {SHOWN[reading](reading === 'members' ? bytes : bytes.subarray(0, shown))}
      </pre>
      {cut && (
        <button type="button" class="small" onClick={() => setShown(shown + MORE)}>
          Show more
        </button>
      )}
    </section>
  );
}

const LABELS: Readonly<Record<Reading, string>> = { text: 'Text', hex: 'Hex', members: 'Members' };

const SHOWN: Readonly<Record<Reading, (bytes: Uint8Array<ArrayBuffer>) => string>> = {
  text: (bytes) => visible(new TextDecoder().decode(bytes)),
  hex: hexDump,
  members: (bytes) => visible(treeLines(describeFile(bytes).tree).join('\n')),
};

/** Line breaks and tabs stay; every other character that could act is shown instead. */
function visible(text: string): string {
  return text.replace(/[^\n\t]+/g, printable);
}
