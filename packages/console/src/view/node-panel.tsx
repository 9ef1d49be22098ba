import { useEffect, useRef } from 'preact/hooks';
import type { RawPart } from '../verification/anatomy.ts';
import type { GivenFile, Place } from '../verification/given-file.ts';
import { bytesAt } from '../verification/locate.ts';
import type { PictureNode } from '../verification/picture.ts';
import { CheckList } from './check-list.tsx';
import { OutcomeWord } from './outcome.tsx';
import { RawView } from './raw-view.tsx';
import { Given } from './text.tsx';

interface Props {
  node: PictureNode;
  files: readonly GivenFile[];
  onClose(): void;
  /** Shows what a changed byte there does. */
  onFlip(place: Place): void;
}

/** What is behind a link of the picture: what it is, which checks are about it, and its bytes. */
export function NodePanel({ node, files, onClose, onFlip }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Another node is another place to read from.
  useEffect(() => heading.current?.focus(), [node.id]);
  const { fragile } = node;
  return (
    <section
      class="panel"
      aria-labelledby="panel-title"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <header class="row">
        <h3 id="panel-title" tabIndex={-1} ref={heading}>
          <Given text={node.title} />
          {node.given !== null && (
            <span class="panel-given">
              <Given text={node.given} />
            </span>
          )}
        </h3>
        <OutcomeWord outcome={node.outcome} />
        <button type="button" class="small" onClick={onClose}>
          Close
        </button>
      </header>
      <p class="explanation">{node.explanation}</p>
      <h4>Checks</h4>
      <CheckList checks={node.checks} />
      <h4>Raw bytes</h4>
      {node.raw.length === 0 && <p class="quiet">The file brings nothing for this link.</p>}
      {node.raw.map((part, i) => (
        <RawPartView key={part.name} part={part} files={files} open={i === 0} />
      ))}
      {fragile !== null && (
        <p>
          <button type="button" class="small" onClick={() => onFlip(fragile)}>
            Demonstration: flip one byte here
          </button>
        </p>
      )}
    </section>
  );
}

function RawPartView({ part, files, open }: { part: RawPart; files: readonly GivenFile[]; open: boolean }) {
  const bytes = bytesAt(files, part.place);
  return (
    <details open={open}>
      <summary>
        <Given text={part.name} />
      </summary>
      {bytes === null ? (
        <p class="quiet">Not found in the file.</p>
      ) : (
        <RawView name={part.name} bytes={bytes} evidence={part.place.form === 'base64'} />
      )}
    </details>
  );
}
