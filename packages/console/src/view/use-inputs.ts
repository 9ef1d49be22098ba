import { useMemo, useState } from 'preact/hooks';
import { type ReadFiles, readFiles } from '../read-files.ts';
import type { Question } from '../verification/examine.ts';
import { type Flip, flipAt, flipped } from '../verification/flip.ts';
import type { GivenFile, Place } from '../verification/given-file.ts';
import { FILE_FIELDS, type FileFlag } from '../verification/pin-files.ts';
import { expectationsOf, NO_PINS, type PinProblems, type Pins, problemsOf } from '../verification/pins.ts';

/** All that a person has given so far, the question that it makes, and the ways to change it. */
export interface Inputs {
  files: ReadFiles;
  /** The files as they are verified: in a demonstration one byte is another. */
  shown: readonly GivenFile[];
  flip: Flip | null;
  pins: Pins;
  problems: PinProblems;
  /** null: nothing to ask, or not clear what to ask. */
  question: Question | null;
  addFiles(files: File[]): void;
  removeFile(id: number): void;
  /** Makes a dropped file a key that is trusted. */
  trustFile(id: number): void;
  changePins(change: (pins: Pins) => Pins): void;
  addPinFiles(flag: FileFlag, files: File[]): void;
  /** Turns a byte at `place`, or with null none. */
  flipByte(place: Place | null): void;
}

export function useInputs(): Inputs {
  const [files, setFiles] = useState<ReadFiles>({ given: [], unreadable: [] });
  const [pins, setPins] = useState(NO_PINS);
  const [flip, setFlip] = useState<Flip | null>(null);
  const shown = useMemo(() => flipped(files.given, flip), [files.given, flip]);
  const problems = useMemo(() => problemsOf(pins), [pins]);
  const question = useMemo(() => questionOf(shown, pins, problems), [shown, pins, problems]);
  const changeFiles = (change: (before: ReadFiles) => ReadFiles): void => {
    setFlip(null);
    setFiles(change);
  };
  const removeFile = (id: number): void =>
    changeFiles(({ given }) => ({ given: given.filter((file) => file.id !== id), unreadable: [] }));
  return {
    files,
    shown,
    flip,
    pins,
    problems,
    question,
    addFiles: async (given) => {
      const read = await readFiles(given);
      changeFiles((before) => ({ given: [...before.given, ...read.given], unreadable: read.unreadable }));
    },
    removeFile,
    trustFile: (id) => {
      const key = files.given.filter((file) => file.id === id);
      setPins((before) => withFiles(before, '--key', key));
      removeFile(id);
    },
    changePins: setPins,
    addPinFiles: async (flag, given) => {
      const read = await readFiles(given);
      setFiles((before) => ({ ...before, unreadable: read.unreadable }));
      setPins((before) => withFiles(before, flag, read.given));
    },
    flipByte: (place) => setFlip(place === null ? null : flipAt(files.given, place)),
  };
}

/** A form with a problem asks nothing: what cannot be read must not count as left out. */
function questionOf(files: readonly GivenFile[], pins: Pins, problems: PinProblems): Question | null {
  if (files.length === 0 || Object.keys(problems).length > 0) return null;
  return { files, expectations: expectationsOf(pins, () => Math.floor(Date.now() / 1000)) };
}

/** The form with those files in a field, which holds one or several. */
function withFiles(pins: Pins, flag: FileFlag, given: readonly GivenFile[]): Pins {
  const many = FILE_FIELDS.some((field) => field.flag === flag && field.many);
  const others = many ? pins.files : pins.files.filter((file) => file.flag !== flag);
  const added = (many ? given : given.slice(-1)).map((file) => ({ ...file, flag }));
  return { ...pins, files: [...others, ...added] };
}
