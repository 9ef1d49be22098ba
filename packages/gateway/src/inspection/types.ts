/**
 * What stages look for. Settings say for each kind what becomes of a finding. `concealed`: an injected instruction that was seen only
 * after something was decoded or removed that hides it from people. `link`: an image or a link to a host that is not on the list.
 */
export const FINDING_KINDS = ['personal', 'payment', 'health', 'secret', 'injection', 'concealed', 'link'] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/**
 * What becomes of a finding, from the mildest to the gravest. `flag`: it is recorded, and policy sees it. `redact`: what was found is
 * taken out. `quarantine`: the answer is held until an operator releases it. `deny`: the answer is withheld.
 */
export const OUTCOMES = ['off', 'flag', 'redact', 'quarantine', 'deny'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What has to be undone before a finding can be seen, in the order in which it was undone. */
const TRANSFORMS = [
  'unicode',
  'invisible',
  'confusable',
  'ansi',
  'entity',
  'percent',
  'base64',
  'hex',
  'rot13',
  'leet',
  'reversed',
] as const;
export type Transform = (typeof TRANSFORMS)[number];

/** Something that a stage found in one text. */
export interface TextFinding {
  kind: FindingKind;
  /** Id of the rule: lower-case words joined by `-`. What entries say. */
  rule: string;
  /** UTF-16 offsets in the text that was given, end exclusive. */
  start: number;
  end: number;
  /** Empty: it stands there in plain view. */
  via: readonly Transform[];
  /** The sensitivity label that it gives to whoever sees it; null: none. */
  label: string | null;
  /** The label says what it is, and does not raise the class of whoever sees it: contact data stands in most answers. */
  raises?: false;
  /** What stands in its place once it is taken out; null: a note that names the rule. */
  instead: string | null;
}

/** One text of an answer, and where it stands: names of members and numbers of items from the answer's root. */
export interface Passage {
  path: readonly (string | number)[];
  /** `name`: of the member that `path` leads to. `number`: as written. `body`: what a base64 body decodes to. */
  kind: 'text' | 'name' | 'number' | 'body';
  text: string;
}

/** A finding in an answer. */
export interface Finding extends TextFinding {
  passage: Passage;
}

/**
 * How schema violations are dealt with (wire-formats section 17.5): members that no one approved deny, are dropped, or are only
 * recorded. Any other violation denies in all three.
 */
export const SCHEMA_MODES = ['strict', 'redact', 'log'] as const;
export type SchemaMode = (typeof SCHEMA_MODES)[number];

/** How one tool's answers are inspected. */
export interface InspectionSettings {
  schema: SchemaMode;
  outcomes: Readonly<Record<FindingKind, Outcome>>;
  /** Whether what a server says before its answer is held until the answer is inspected, or only as long as a match may be. */
  stream: 'buffered' | 'windowed';
  /** Hosts that images and links may lead to: `docs.example`, or `*.docs.example` for every name below it. */
  linkHosts: readonly string[];
  /** Size in bytes above which an answer is withheld; null: the gateway's limit. */
  maxBytes: number | null;
  /** Milliseconds that all stages together may take. */
  budgetMs: number;
}

/**
 * Every match of a rule, with the words around it that decide, lies within this many UTF-16 units: what makes inspecting a text in
 * slices equal to inspecting it whole.
 */
export const MATCH_SPAN = 4096;

/** Looks for something in a text. Pure; a finding depends on nothing further than {@link MATCH_SPAN} from its start, on either side. */
export type Scan = (text: string) => TextFinding[];

/** The rule set in force: the built-in rules and the operator's. */
export interface InspectionRules {
  /** `sha256:` over everything that decides what is found and what becomes of it; `rules_hash` of sessions. */
  hash: string;
  /** The operator's name for it; `built-in` where there is none of theirs. */
  version: string;
  /** Of a tool, resource or prompt, by its name in the catalog. */
  settingsFor(item: string): InspectionSettings;
  /** The operator's own rules, each linear. */
  scans: readonly Scan[];
  /** What a finding of a built-in rule counts for here: its label may be another one. Null: the rule is switched off. */
  judged(finding: TextFinding): TextFinding | null;
}
