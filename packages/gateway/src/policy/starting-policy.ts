import { stringifyJson } from '@cmcp/evidence';
import type { Catalog } from '../catalog/types.ts';
import { nativeSchema } from './schema.ts';
import type { OtherAction } from './types.ts';

/** A file of permits that hold for everybody. */
interface StartingFile {
  name: string;
  comment: string;
  permits: readonly { id: string; actions: readonly OtherAction[]; when?: string }[];
}

const ALLOW_TOOLS = `// A call is allowed when its tool is in the catalog: others never get this far.
// Narrow it by naming agents and tools, for example:
//   permit (principal == Agent::"reporting", action in [Action::"read_file"], resource);
@id("allow-catalogued-tools")
permit (
  principal,
  action in Action::"call_tool",
  resource
);
`;

const OTHERS: readonly StartingFile[] = [
  {
    name: '11-allow-catalogued-resources.cedar',
    comment: `// Resources that the catalog approves, by URI or by template, may be read and watched.
// Narrow it by agent, by server, or by URI, for example:
//   permit (principal == Agent::"reporting", action == Action::"read_resource", resource in Server::"files")
//   when { context.uri like "file:///srv/reports/*" };
`,
    permits: [{ id: 'allow-catalogued-resources', actions: ['read_resource', 'subscribe'] }],
  },
  {
    name: '12-allow-catalogued-prompts.cedar',
    comment: `// Prompts that the catalog approves may be used, with any arguments. A condition can look at those:
//   when { context.argument_names.contains("path") }
`,
    permits: [{ id: 'allow-catalogued-prompts', actions: ['get_prompt'] }],
  },
  {
    name: '13-allow-completion.cedar',
    comment: '// Servers may be asked to complete an argument of a catalogued prompt or template.\n',
    permits: [{ id: 'allow-completion', actions: ['complete'] }],
  },
  {
    name: '14-allow-tasks-of-catalogued-tools.cedar',
    comment: `// A tool may answer with a task instead of a result. Its agent may then ask after the task, answer
// what the task asks, and cancel it. The resource is the tool that made the task.
`,
    permits: [{ id: 'allow-tasks-of-catalogued-tools', actions: ['get_task', 'update_task', 'cancel_task'] }],
  },
  {
    name: '15-allow-forms-and-roots.cedar',
    comment: `// While it serves an agent, a server may put a form to the user, and ask which folders the agent works
// in. The catalog says which servers may ask at all, and starts with none: both must agree.
//
// Sending the user to a web page is not allowed. To allow one host to one server:
//   permit (principal, action == Action::"elicit", resource == Server::"payments")
//   when { context.mode == "url" && context has host && context.host == "pay.example" };
//
// Asking the model of the agent is not allowed: it is paid for by whoever runs the agent, and what the
// model answers goes to the server. To allow it to one server, within limits:
//   permit (principal, action == Action::"sample", resource == Server::"summaries")
//   when { context.max_tokens <= 1000 && context.include_context == "none" && !context.tools };
`,
    permits: [
      { id: 'allow-forms', actions: ['elicit'], when: 'context.mode == "form"' },
      { id: 'allow-roots', actions: ['list_roots'] },
    ],
  },
];

const NO_EXTERNAL_WRITES = `// Once an agent has been shown anything above public, or a request in flight may show it, these are
// forbidden: calls that change something at an external server, and answers to tasks of such calls.
// Ending the session does not lift this; the exposure stays with the agent until an operator resets it.
//
// That closes more than has to be closed. One server can be let out of it by what a call carries, which is noticed as it was read, in
// part, and encoded, and not in other words (docs/data-flow.md). Where not everything that was seen is remembered, max_sensitivity is
// that of all that was seen. To do so for a server "tickets", take the semicolon off the last line and add:
//   unless { resource in Server::"tickets" && context.flow.max_sensitivity_rank < 1 };
//
// The mode "enforcing" refuses them. In the modes "advisory" and "silent" they go through, and are recorded.
@id("no-external-writes-after-sensitive-data")
@advice("This agent has seen sensitive data, so tools that write to external servers are closed to it. An operator can reset its exposure.")
forbid (
  principal,
  action in [Action::"call_tool", Action::"update_task"],
  resource
)
when {
  resource.destination_class == "external" &&
  resource.effects != "read" &&
  (context.session.class_rank >= 1 || context.session.max_class_rank >= 1)
};
`;

/**
 * The files of a starting bundle for `catalog`, by name. It loads, validates, and is meant to be edited. The same catalog
 * gives the same bundle hash: the manifest says that nobody reviewed it yet, not when it was made.
 */
export function startingPolicy(catalog: Catalog): Record<string, string> {
  const manifest = {
    version: '1.0.0',
    authored_at: 'not reviewed yet',
    author_identity: 'cmcp init',
    commit_sha: 'none',
    cmcp_request: 1,
  };
  const tools = new Set(catalog.tools.map(({ name }) => name));
  return {
    'manifest.json': `${stringifyJson(manifest)}\n`,
    'schema.cedarschema': nativeSchema(catalog),
    '10-allow-catalogued-tools.cedar': ALLOW_TOOLS,
    ...Object.fromEntries(OTHERS.flatMap((file) => fileOf(file, tools))),
    '20-no-external-writes-after-sensitive-data.cedar': NO_EXTERNAL_WRITES,
  };
}

/** An action that a tool has taken the name of is left out: the schema does not declare it. */
function fileOf({ name, comment, permits }: StartingFile, tools: ReadonlySet<string>): [string, string][] {
  const texts = permits.flatMap(({ id, actions, when }) => {
    const free = actions.filter((action) => !tools.has(action)).map((action) => `Action::"${action}"`);
    if (free.length === 0) return [];
    const scope = free.length === 1 ? `action == ${free[0]}` : `action in [${free.join(', ')}]`;
    const condition = when === undefined ? '' : `\nwhen { ${when} }`;
    return [`@id("${id}")\npermit (\n  principal,\n  ${scope},\n  resource\n)${condition};\n`];
  });
  return texts.length === 0 ? [] : [[name, comment + texts.join('\n')]];
}
