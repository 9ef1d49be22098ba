import type { GivenFile } from '../verification/given-file.ts';
import type { FoundKey, FoundReceipt, Stranger } from '../verification/sort-files.ts';
import { FileChips } from './expectations-form.tsx';
import { FileButton } from './file-button.tsx';
import { Given } from './text.tsx';

interface Props {
  files: readonly GivenFile[];
  keys: readonly FoundKey[];
  receipts: readonly FoundReceipt[];
  strangers: readonly Stranger[];
  onFiles(files: File[]): void;
  onRemove(file: number): void;
  /** The person trusts the key in that file from now on. */
  onTrust(file: number): void;
}

/** Where files go in, which are there, and what is to be said about them. */
export function FilesView({ files, keys, receipts, strangers, onFiles, onRemove, onTrust }: Props) {
  const empty = files.length === 0;
  return (
    <section class={`drop ${empty ? '' : 'compact'}`} aria-labelledby="drop-title">
      <h2 id="drop-title">{empty ? 'Drop a session here' : 'Files'}</h2>
      {empty && (
        <p class="quiet">
          A <code>*.cmcp.json</code> with its <code>*.cmcp.ndjson</code> if it is long, or a claim with its audit
          bundle. Receipts of calls can come along. Nothing leaves this page.
        </p>
      )}
      <FileChips files={files} onRemove={onRemove} />
      <FileButton id="choose-files" label={empty ? 'Choose files…' : 'Add files…'} onFiles={onFiles} />
      <ul class="remarks">
        {keys.map(({ file, name }) => (
          <li key={file}>
            <Given text={name} /> holds a key. It came with the files, so it is not trusted.{' '}
            <button type="button" class="small" onClick={() => onTrust(file)}>
              Trust this key
            </button>
          </li>
        ))}
        {receipts.length > 0 && <li>Calls to look for, from receipts: {receipts.length}.</li>}
        {strangers.map(({ name, why }) => (
          <li key={`${name}: ${why}`}>
            <Given text={name} /> was not read: <Given text={why} />.
          </li>
        ))}
      </ul>
    </section>
  );
}
