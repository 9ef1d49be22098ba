import type { Outcome } from '@cmcp/evidence';
import { printable } from '@cmcp/evidence';
import { useMemo, useRef, useState } from 'preact/hooks';
import { entryTitle, type Picture, type PictureNode } from '../verification/picture.ts';
import { parts, type Range } from '../verification/range.ts';
import { OutcomeIcon } from './outcome.tsx';
import { neighbour } from './roving.ts';
import { Given } from './text.tsx';

/** A link of the trunk, or the number of an entry. */
export type Selected = PictureNode['id'];

interface Shared {
  picture: Picture;
  selected: Selected | null;
  onSelect(id: Selected): void;
  /** The one button that the tab key stops at; the arrow keys lead on from there. */
  stop: string;
}

/** The chain, from the vendor's root to the tip: one button for each link, entries of a long session in groups. */
export function PictureView({ picture, selected, onSelect }: Omit<Shared, 'stop'>) {
  const [stop, setStop] = useState('root');
  const frame = useRef<HTMLDivElement>(null);
  const buttons = (): HTMLElement[] => [...(frame.current?.querySelectorAll<HTMLElement>('button[data-node]') ?? [])];
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!(event.target instanceof HTMLElement)) return;
    const next = neighbour(event.key, event.target, buttons());
    if (next === null) return;
    event.preventDefault();
    next.focus();
  };
  const onFocusIn = ({ target }: FocusEvent): void => {
    if (target instanceof HTMLElement && target.dataset.node !== undefined) setStop(target.dataset.node);
  };
  const shared = { picture, selected, onSelect, stop };
  const { entries } = picture;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for a form
    <div
      class="picture"
      ref={frame}
      role="group"
      aria-labelledby="picture-title"
      aria-describedby="picture-help"
      onKeyDown={onKeyDown}
      onFocusIn={onFocusIn}
    >
      <ol class="links trunk">
        {picture.trunk.map((node) => (
          <li key={node.id}>
            <Connector />
            <NodeButton {...shared} id={node.id} title={node.title} given={node.given} outcome={node.outcome} />
          </li>
        ))}
      </ol>
      {entries.length > 0 && <Entries {...shared} range={{ start: 0, end: entries.length }} label="The session" />}
    </div>
  );
}

/** Entries of a range, each one or in groups; a group opens to a range of its own below. The first and the last stand for themselves. */
function Entries({ range, label, ...shared }: Shared & { range: Range; label: string }) {
  const [open, setOpen] = useState<Range | null>(null);
  const cut = useMemo(() => partsOf(range, shared.picture.entries.length), [range, shared.picture]);
  const dense = cut.length > 40 && cut.every((part) => part.end - part.start === 1);
  return (
    <>
      <ol class={`links ${dense ? 'beads' : 'cells'}`} aria-label={label}>
        {cut.map((part) => (
          <li key={part.start}>
            <Connector />
            {part.end - part.start === 1 ? (
              <EntryButton {...shared} index={part.start} />
            ) : (
              <GroupButton
                {...shared}
                range={part}
                open={open?.start === part.start}
                onOpen={() => setOpen(open?.start === part.start ? null : part)}
              />
            )}
          </li>
        ))}
      </ol>
      {open !== null && <Entries {...shared} key={open.start} range={open} label={nameOf(open)} />}
    </>
  );
}

/** Grouped as {@link parts} does it, except that session_start and the tip are never hidden in a group. */
function partsOf(range: Range, length: number): Range[] {
  const whole = range.start === 0 && range.end === length;
  if (!whole || length < 3) return parts(range);
  return [{ start: 0, end: 1 }, ...parts({ start: 1, end: length - 1 }), { start: length - 1, end: length }];
}

function EntryButton({ index, ...shared }: Shared & { index: number }) {
  const { entries, outcomeAt } = shared.picture;
  const row = entries[index];
  const what = row?.tool ?? entryTitle(index, entries);
  const decision = row?.decision === 'n/a' ? null : (row?.decision ?? null);
  return (
    <NodeButton
      {...shared}
      id={`entry-${index}`}
      title={`${index}`}
      given={what}
      note={decision}
      named={decision === null ? `${index} ${what}` : `${index} ${what}, ${decision}`}
      outcome={outcomeAt(index)}
    />
  );
}

function GroupButton({ range, open, onOpen, picture, stop }: Shared & { range: Range; open: boolean; onOpen(): void }) {
  const outcome = useMemo(() => picture.outcomeIn(range), [picture, range]);
  const id = `group-${range.start}-${range.end}`;
  return (
    <button
      type="button"
      class="node group"
      data-node={id}
      data-outcome={outcome}
      tabIndex={stop === id ? 0 : -1}
      aria-expanded={open}
      aria-label={`${nameOf(range)}: ${outcome}`}
      onClick={onOpen}
    >
      <OutcomeIcon outcome={outcome} />
      <span class="node-text">
        <span class="node-title">
          {range.start}–{range.end - 1}
        </span>
      </span>
    </button>
  );
}

function nameOf({ start, end }: Range): string {
  return `Entries ${start} to ${end - 1}`;
}

interface NodeButtonProps extends Shared {
  id: string;
  title: string;
  given: string | null;
  outcome: Outcome;
  named?: string;
  note?: string | null;
}

function NodeButton({ id, title, given, outcome, named, note = null, selected, onSelect, stop }: NodeButtonProps) {
  return (
    <button
      type="button"
      class="node"
      data-node={id}
      data-outcome={outcome}
      tabIndex={stop === id ? 0 : -1}
      aria-pressed={selected === id}
      aria-label={`${printable(named ?? (given === null ? title : `${title}, ${given}`))}: ${outcome}`}
      title={printable(named ?? title)}
      onClick={() => onSelect(id)}
    >
      <OutcomeIcon outcome={outcome} />
      <span class="node-text">
        <span class="node-title">
          <Given text={title} />
        </span>
        {given !== null && (
          <span class="node-given">
            <Given text={given} />
          </span>
        )}
        {note !== null && (
          <span class="node-note">
            <Given text={note} />
          </span>
        )}
        <span class="node-outcome">{outcome}</span>
      </span>
    </button>
  );
}

function Connector() {
  return (
    <svg class="connector" viewBox="0 0 24 12" aria-hidden="true">
      <path d="M0 6h20M15 1.5L20 6l-5 4.5" />
    </svg>
  );
}
