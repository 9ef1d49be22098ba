import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Engine } from '../engine.ts';
import { type ReadFiles, readFiles } from '../read-files.ts';
import type { ExaminedSession, Question } from '../verification/examine.ts';
import { type Flip, flipAt, flipped } from '../verification/flip.ts';
import type { GivenFile } from '../verification/given-file.ts';
import { FILE_FIELDS, type FileFlag } from '../verification/pin-files.ts';
import { expectationsOf, NO_PINS, type Pins, problemsOf } from '../verification/pins.ts';
import { standingOf } from '../verification/standing.ts';
import { ExpectationsForm } from './expectations-form.tsx';
import { FilesView } from './files-view.tsx';
import { FlipView } from './flip-view.tsx';
import { SessionView } from './session-view.tsx';
import { SessionsView } from './sessions-view.tsx';
import { useExamined } from './use-examined.ts';

/** The verification page: files and expectations go in, a verdict comes out. Every change of either asks anew. */
export function App({ engine }: { engine: Engine }) {
  const [files, setFiles] = useState<ReadFiles>({ given: [], unreadable: [] });
  const [pins, setPins] = useState(NO_PINS);
  const [flip, setFlip] = useState<Flip | null>(null);
  const [chosen, setChosen] = useState(0);
  const shown = useMemo(() => flipped(files.given, flip), [files.given, flip]);
  const problems = useMemo(() => problemsOf(pins), [pins]);
  const unclear = Object.keys(problems).length > 0;
  const question = useMemo<Question | null>(() => {
    if (shown.length === 0 || unclear) return null;
    return { files: shown, expectations: expectationsOf(pins, () => Math.floor(Date.now() / 1000)) };
  }, [shown, pins, unclear]);
  const { examined, busy, problem } = useExamined(engine, question);

  const changeFiles = (change: (before: ReadFiles) => ReadFiles): void => {
    setFlip(null);
    setFiles(change);
  };
  const add = async (given: File[]): Promise<void> => {
    const read = await readFiles(given);
    changeFiles((before) => ({ given: [...before.given, ...read.given], unreadable: read.unreadable }));
  };
  const remove = (id: number): void =>
    changeFiles(({ given }) => ({ given: given.filter((file) => file.id !== id), unreadable: [] }));
  const addPinFiles = async (flag: FileFlag, given: File[]): Promise<void> => {
    const read = await readFiles(given);
    setFiles((before) => ({ ...before, unreadable: read.unreadable }));
    setPins((before) => withFiles(before, flag, read.given));
  };
  const trust = (id: number): void => {
    const key = files.given.filter((file) => file.id === id);
    setPins((before) => withFiles(before, '--key', key));
    remove(id);
  };
  useDropAnywhere(add);

  const answer = question === null ? null : examined;
  const sessions = answer?.sessions ?? [];
  const session = sessions[chosen] ?? sessions[0];
  return (
    <>
      <p class="visually-hidden" role="status">
        {busy ? 'Verifying.' : announcement(session, flip)}
      </p>
      <div class="layout">
        <div class="results" aria-busy={busy}>
          <FilesView
            files={files.given}
            keys={answer?.keys ?? []}
            receipts={answer?.receipts ?? []}
            strangers={[...files.unreadable, ...(answer?.strangers ?? [])]}
            onFiles={add}
            onRemove={remove}
            onTrust={trust}
          />
          <Stopped problem={problem} unclear={unclear} />
          {flip !== null && (
            <FlipView flip={flip} report={busy ? null : (session?.report ?? null)} onUndo={() => setFlip(null)} />
          )}
          {sessions.length > 1 && (
            <SessionsView sessions={sessions} series={answer?.series ?? []} chosen={chosen} onChoose={setChosen} />
          )}
          {session !== undefined && (
            <SessionView
              key={session.id}
              session={session}
              files={shown}
              onFlip={(place) => setFlip(flipAt(files.given, place))}
            />
          )}
        </div>
        <ExpectationsForm pins={pins} problems={problems} onPins={setPins} onPinFiles={addPinFiles} />
      </div>
    </>
  );
}

/** The form with those files in a field, which holds one or several. */
function withFiles(pins: Pins, flag: FileFlag, given: readonly GivenFile[]): Pins {
  const many = FILE_FIELDS.some((field) => field.flag === flag && field.many);
  const others = many ? pins.files : pins.files.filter((file) => file.flag !== flag);
  const added = (many ? given : given.slice(-1)).map((file) => ({ ...file, flag }));
  return { ...pins, files: [...others, ...added] };
}

/** Why there is no verdict. */
function Stopped({ problem, unclear }: { problem: string | null; unclear: boolean }) {
  const why = unclear
    ? 'There is no verdict until the marked fields can be read.'
    : problem !== null && `The verifier stopped, so there is no verdict: ${problem}`;
  return why === false ? null : (
    <p class="stopped" role="alert">
      {why}
    </p>
  );
}

function announcement(session: ExaminedSession | undefined, flip: Flip | null): string {
  if (session === undefined) return '';
  const { report } = session;
  return `${flip === null ? '' : 'Demonstration. '}${standingOf(report).word}. ${report.summary}`;
}

/** Lets files be dropped on any part of the page: one that misses a target would otherwise replace the page. */
function useDropAnywhere(onFiles: (files: File[]) => void): void {
  useEffect(() => {
    const over = (event: DragEvent): void => event.preventDefault();
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      onFiles([...(event.dataTransfer?.files ?? [])]);
    };
    document.addEventListener('dragover', over);
    document.addEventListener('drop', drop);
    return () => {
      document.removeEventListener('dragover', over);
      document.removeEventListener('drop', drop);
    };
  });
}
