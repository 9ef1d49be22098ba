import type { Report } from '@cmcp/evidence';
import { useEffect, useRef } from 'preact/hooks';
import type { Flip } from '../verification/flip.ts';
import { Given } from './text.tsx';

interface Props {
  flip: Flip;
  /** What the verifier says of the changed copy; null while it is asked. */
  report: Report | null;
  onUndo(): void;
}

/** Says plainly that what is shown is not the person's file, which checks noticed, and takes the change back (UX-06). */
export function FlipView({ flip, report, onUndo }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Another change is another thing to read about.
  useEffect(() => heading.current?.focus(), [flip]);
  const failed = report?.checks.filter((check) => check.outcome === 'failed') ?? [];
  return (
    <section class="demonstration" aria-labelledby="demonstration-title">
      <div>
        <h2 id="demonstration-title" tabIndex={-1} ref={heading}>
          Demonstration, not your file
        </h2>
        <p>
          Byte {flip.offset.toLocaleString('en')} of <Given text={flip.fileName} /> was changed from{' '}
          <code>{byteText(flip.before)}</code> to <code>{byteText(flip.after)}</code> in a copy. Everything below is the
          verdict on that copy.
        </p>
        {failed.length > 0 && <p>Checks that notice:</p>}
        <ul class="noticed">
          {failed.map((check) => (
            <li key={check.id}>
              <Given text={check.title} /> <Given text={check.detail} />.
            </li>
          ))}
        </ul>
      </div>
      <button type="button" onClick={onUndo}>
        Undo the change
      </button>
    </section>
  );
}

function byteText(byte: number): string {
  return `${String.fromCharCode(byte)} (0x${byte.toString(16).padStart(2, '0')})`;
}
