import { printable, type Report } from '@cmcp/evidence';
import { useEffect, useMemo, useState } from 'preact/hooks';

/** The report as `cmcp verify --json` prints it for a file, to keep or to copy. */
export function ReportActions({ report, name }: { report: Report; name: string }) {
  const [said, setSaid] = useState('');
  const json = useMemo(() => JSON.stringify(report, null, 2), [report]);
  const url = useMemo(() => URL.createObjectURL(new Blob([json], { type: 'application/json' })), [json]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(json);
      setSaid('Copied.');
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      setSaid('The browser refused to copy; download it instead.');
    }
  };
  return (
    <p class="actions">
      <a class="button" href={url} download={`${printable(name).replace(/(\.cmcp)?\.json.*$/, '')}.report.json`}>
        Download the report (JSON)
      </a>
      <button type="button" onClick={copy}>
        Copy the report
      </button>
      <span role="status">{said}</span>
    </p>
  );
}
