import { useMemo, useState } from 'preact/hooks';
import type { ExaminedSession } from '../verification/examine.ts';
import type { GivenFile, Place } from '../verification/given-file.ts';
import { type Picture, type PictureNode, pictureOf } from '../verification/picture.ts';
import { stepsOf } from '../verification/steps.ts';
import { ChecksTable } from './checks-table.tsx';
import { FlowView } from './flow-view.tsx';
import { NodePanel } from './node-panel.tsx';
import { PictureView } from './picture-view.tsx';
import { ReportActions } from './report-actions.tsx';
import { StepsView } from './steps-view.tsx';
import { Given } from './text.tsx';
import { VerdictView } from './verdict-view.tsx';

interface Props {
  session: ExaminedSession;
  files: readonly GivenFile[];
  onFlip(place: Place): void;
}

/** All that is known of one session, from the verdict down to its bytes. */
export function SessionView({ session, files, onFlip }: Props) {
  const { report, anatomy, name } = session;
  const [selected, setSelected] = useState<string | null>(null);
  const picture = useMemo(() => pictureOf(report, anatomy), [report, anatomy]);
  const steps = useMemo(() => stepsOf(report), [report]);
  const node = selected === null ? null : nodeOf(picture, selected);
  const close = (): void => {
    setSelected(null);
    document.querySelector<HTMLElement>(`[data-node="${selected}"]`)?.focus();
  };
  return (
    <div class="session" data-backed={picture.trunk[0]?.outcome === 'proven'}>
      <VerdictView report={report} name={name} steps={steps} />
      <section aria-labelledby="picture-title">
        <h2 id="picture-title">The chain</h2>
        <p id="picture-help" class="quiet">
          Each link rests on the one before it. Arrow keys move along the chain; a link opens to its checks and its
          bytes.
        </p>
        <PictureView picture={picture} selected={selected} onSelect={setSelected} />
        {node !== null && <NodePanel node={node} files={files} onClose={close} onFlip={onFlip} />}
        <Demonstrate picture={picture} onFlip={onFlip} />
      </section>
      <section aria-labelledby="steps-title">
        <h2 id="steps-title">Three questions</h2>
        <StepsView steps={steps} />
      </section>
      <section aria-labelledby="checks-title">
        <h2 id="checks-title">All checks</h2>
        <ChecksTable checks={report.checks} />
      </section>
      {report.flow !== undefined && (
        <section aria-labelledby="flow-title">
          <h2 id="flow-title">Where values went</h2>
          <FlowView flow={report.flow} />
        </section>
      )}
      <section aria-labelledby="residual-title">
        <h2 id="residual-title">Trust that remains</h2>
        <p class="quiet">What no check of this report speaks about.</p>
        <ul class="residual">
          {report.residual.map((text) => (
            <li key={text}>
              <Given text={text} />
            </li>
          ))}
        </ul>
      </section>
      <ReportActions report={report} name={name} />
    </div>
  );
}

function nodeOf(picture: Picture, id: string): PictureNode | null {
  const entry = /^entry-(\d+)$/.exec(id)?.[1];
  if (entry === undefined) return picture.trunk.find((node) => node.id === id) ?? null;
  return Number(entry) < picture.entries.length ? picture.node(Number(entry)) : null;
}

/** Offers the demonstration on the entry in the middle of the session (UX-06). */
function Demonstrate({ picture, onFlip }: { picture: Picture; onFlip(place: Place): void }) {
  const { length } = picture.entries;
  const place = length === 0 ? null : picture.node(Math.floor(length / 2)).fragile;
  if (place === null) return null;
  return (
    <p class="actions">
      <button type="button" onClick={() => onFlip(place)}>
        Show what tampering does
      </button>
      <span class="quiet">Flips one byte of a copy, and shows which checks notice.</span>
    </p>
  );
}
