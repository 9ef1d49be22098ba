import { useRef } from 'preact/hooks';

interface Props {
  id: string;
  label: string;
  /** What the files are for, where the label alone does not say it. */
  about?: string;
  onFiles(files: File[]): void;
}

/** A button that asks for files. */
export function FileButton({ id, label, about, onFiles }: Props) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        id={id}
        aria-label={about === undefined ? label : `${label} ${about}`}
        onClick={() => input.current?.click()}
      >
        {label}
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        onChange={({ currentTarget }) => {
          onFiles([...(currentTarget.files ?? [])]);
          // So that choosing the same file again is a change.
          currentTarget.value = '';
        }}
      />
    </>
  );
}
