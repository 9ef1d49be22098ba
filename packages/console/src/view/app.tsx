import { useEffect, useState } from 'preact/hooks';
import type { Engine } from '../engine.ts';
import type { ExaminedSession } from '../verification/examine.ts';
import type { Flip } from '../verification/flip.ts';
import { standingOf } from '../verification/standing.ts';
import { ExpectationsForm } from './expectations-form.tsx';
import { FilesView } from './files-view.tsx';
import { FlipView } from './flip-view.tsx';
import { SessionView } from './session-view.tsx';
import { SessionsView } from './sessions-view.tsx';
import { type Asking, useExamined } from './use-examined.ts';
import { type Inputs, useInputs } from './use-inputs.ts';

/** The verification page: files and expectations go in, a verdict comes out. Every change of either asks anew. */
export function App({ engine }: { engine: Engine }) {
  const inputs = useInputs();
  const asking = useExamined(engine, inputs.question);
  useDropAnywhere(inputs.addFiles);
  return (
    <div class="layout">
      <Results inputs={inputs} asking={asking} />
      <ExpectationsForm
        pins={inputs.pins}
        problems={inputs.problems}
        onPins={inputs.changePins}
        onPinFiles={inputs.addPinFiles}
      />
    </div>
  );
}

/** The files, and what the verifier says about them. Without a question there is no answer, also not an older one. */
function Results({ inputs, asking }: { inputs: Inputs; asking: Asking }) {
  const [chosen, setChosen] = useState(0);
  const { files, shown, flip, question, problems } = inputs;
  const { busy, problem } = asking;
  const answer = question === null ? null : asking.examined;
  const sessions = answer?.sessions ?? [];
  const session = sessions[chosen] ?? sessions[0];
  return (
    <>
      <p class="visually-hidden" role="status">
        {busy ? 'Verifying.' : announcement(session, flip)}
      </p>
      <div class="results" aria-busy={busy}>
        <FilesView
          files={files.given}
          keys={answer?.keys ?? []}
          receipts={answer?.receipts ?? []}
          strangers={[...files.unreadable, ...(answer?.strangers ?? [])]}
          onFiles={inputs.addFiles}
          onRemove={inputs.removeFile}
          onTrust={inputs.trustFile}
        />
        <Stopped problem={problem} unclear={Object.keys(problems).length > 0} />
        {flip !== null && (
          <FlipView flip={flip} report={busy ? null : (session?.report ?? null)} onUndo={() => inputs.flipByte(null)} />
        )}
        {sessions.length > 1 && (
          <SessionsView sessions={sessions} series={answer?.series ?? []} chosen={chosen} onChoose={setChosen} />
        )}
        {session !== undefined && (
          <SessionView key={session.id} session={session} files={shown} onFlip={inputs.flipByte} />
        )}
      </div>
    </>
  );
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
