import { printable } from '@cmcp/evidence';
import { FILE_FIELDS, type FileFlag, type PinFile } from '../verification/pin-files.ts';
import { CHOICES, type ChoiceFlag, FIELDS, type FieldFlag, type PinProblems, type Pins } from '../verification/pins.ts';
import { FileButton } from './file-button.tsx';
import { Given } from './text.tsx';

interface Props {
  pins: Pins;
  problems: PinProblems;
  onPins(change: (pins: Pins) => Pins): void;
  /** Files for a field; they never count as files of a session. */
  onPinFiles(flag: FileFlag, files: File[]): void;
}

/** What nearly every verification asks for; the rest waits in a part that opens. */
const USUAL: readonly string[] = ['--policy-hash', '--catalog-hash', '--measurement', '--key'];

/** What the person expects and accepts. Nothing inside a dropped file fills in any of it. */
export function ExpectationsForm({ pins, problems, onPins, onPinFiles }: Props) {
  const setField = (flag: FieldFlag, text: string): void =>
    onPins((before) => ({ ...before, fields: { ...before.fields, [flag]: text } }));
  const choose = (flag: ChoiceFlag, on: boolean): void =>
    onPins(({ chosen, ...rest }) => ({
      ...rest,
      chosen: [...chosen.filter((each) => each !== flag), ...(on ? [flag] : [])],
    }));
  const remove = (id: number): void =>
    onPins(({ files, ...rest }) => ({ ...rest, files: files.filter((file) => file.id !== id) }));
  const field = (each: (typeof FIELDS)[number]) => (
    <Field
      key={each.flag}
      {...each}
      problem={problems[each.flag] ?? null}
      onText={(text) => setField(each.flag, text)}
    />
  );
  const fileField = (each: (typeof FILE_FIELDS)[number]) => (
    <FileField
      key={each.flag}
      {...each}
      files={pins.files.filter((file) => file.flag === each.flag)}
      problem={problems[each.flag] ?? null}
      onFiles={(files) => onPinFiles(each.flag, files)}
      onRemove={remove}
    />
  );
  const isUsual = ({ flag }: { flag: FieldFlag | FileFlag }): boolean => USUAL.includes(flag);
  return (
    <form class="expectations" aria-labelledby="expectations-title" onSubmit={(event) => event.preventDefault()}>
      <h2 id="expectations-title">What you expect</h2>
      <p class="quiet">From your own sources: a file is never asked what to expect of it.</p>
      {FIELDS.filter(isUsual).map(field)}
      {FILE_FIELDS.filter(isUsual).map(fileField)}
      <fieldset>
        <legend>What you accept unproven</legend>
        <p class="quiet">Each is repeated in the result, which is then never shown as verified.</p>
        {CHOICES.map((choice) => (
          <Choice key={choice.flag} {...choice} chosen={pins.chosen} onChoose={choose} />
        ))}
      </fieldset>
      <details class="more">
        <summary>More expectations</summary>
        {FIELDS.filter((each) => !isUsual(each)).map(field)}
        {FILE_FIELDS.filter((each) => !isUsual(each)).map(fileField)}
        <Choice
          flag="--immutable-image"
          label="My reference values are of an immutable image"
          hint="Nothing can be added to it, so that it covers whatever runs in it."
          chosen={pins.chosen}
          onChoose={choose}
        />
        <Choice
          flag="--tpm-makers"
          label="Trust the roots of TPM makers"
          hint="They were collected from one source only."
          chosen={pins.chosen}
          onChoose={choose}
        />
      </details>
    </form>
  );
}

interface FieldProps {
  flag: FieldFlag;
  label: string;
  hint: string;
  placeholder: string;
  problem: string | null;
  onText(text: string): void;
}

function Field({ flag, label, hint, placeholder, problem, onText }: FieldProps) {
  const id = fieldId(flag);
  return (
    <div class="field">
      <label for={id}>
        {label} <code>{flag}</code>
      </label>
      <input
        id={id}
        type="text"
        placeholder={placeholder}
        spellcheck={false}
        autocomplete="off"
        aria-describedby={`${id}-hint`}
        aria-invalid={problem !== null}
        onInput={(event) => onText(event.currentTarget.value)}
      />
      <p id={`${id}-hint`} class={problem === null ? 'quiet' : 'problem'}>
        {problem ?? hint}
      </p>
    </div>
  );
}

interface FileFieldProps {
  flag: FileFlag;
  label: string;
  hint: string;
  many: boolean;
  files: readonly PinFile[];
  problem: string | null;
  onFiles(files: File[]): void;
  onRemove(id: number): void;
}

function FileField({ flag, label, hint, many, files, problem, onFiles, onRemove }: FileFieldProps) {
  return (
    <fieldset class="field">
      <legend>
        {label} <code>{flag}</code>
      </legend>
      <p class={problem === null ? 'quiet' : 'problem'}>{problem === null ? hint : <Given text={problem} />}</p>
      <FileChips files={files} onRemove={onRemove} />
      <FileButton id={fieldId(flag)} label={many ? 'Add a file…' : 'Choose a file…'} about={label} onFiles={onFiles} />
    </fieldset>
  );
}

/** Files by name, each with a button that takes it away again. */
export function FileChips({
  files,
  onRemove,
}: {
  files: readonly { id: number; name: string }[];
  onRemove(id: number): void;
}) {
  return (
    <ul class="files">
      {files.map(({ id, name }) => (
        <li key={id}>
          <Given text={name} />
          <button type="button" class="remove" aria-label={`Remove ${printable(name)}`} onClick={() => onRemove(id)}>
            ×
          </button>
        </li>
      ))}
    </ul>
  );
}

interface ChoiceProps {
  flag: ChoiceFlag;
  label: string;
  hint: string;
  chosen: readonly ChoiceFlag[];
  onChoose(flag: ChoiceFlag, on: boolean): void;
}

function Choice({ flag, label, hint, chosen, onChoose }: ChoiceProps) {
  return (
    <label class="choice">
      <input
        type="checkbox"
        id={fieldId(flag)}
        checked={chosen.includes(flag)}
        onChange={(event) => onChoose(flag, event.currentTarget.checked)}
      />
      <span>
        {label} <span class="quiet">{hint}</span> <code>{flag}</code>
      </span>
    </label>
  );
}

/** Leads to the field that means the same as a flag of `cmcp verify`; null when the form has none. */
export function wayToField(flag: string): (() => void) | null {
  const field = document.getElementById(fieldId(flag));
  if (field === null) return null;
  return () => {
    const folded = field.closest('details');
    if (folded !== null) folded.open = true;
    field.focus();
  };
}

/** The id of the field that means the same as a flag of `cmcp verify`. */
function fieldId(flag: string): string {
  return `field-${flag.replace(/^--/, '').split(' ')[0]}`;
}
