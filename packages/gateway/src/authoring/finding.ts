/** What a linter of policies or catalogs found. */
export interface Finding {
  rule: string;
  severity: 'error' | 'warning' | 'info';
  /** `file:line`, or a JSON path. */
  where: string;
  message: string;
  fix: string;
}
