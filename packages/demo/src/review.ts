import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, type JsonObject, member, parseJson, setMember, stringifyJson } from '@cmcp/evidence';

/** What agents need. Everything else that the servers offer goes out of the catalog again. */
export const APPROVED: readonly string[] = [
  'create_entities',
  'get-sum',
  'list_directory',
  'lookup_rate',
  'post_update',
  'read_text_file',
];

/** The argument rule. Cedar sees the arguments of each tool typed, from the input schema that was approved. */
const SECRETS_STAY_UNREAD = `// Which file may be read is a matter of the argument, not of the tool.
@id("secrets-stay-unread")
@advice("Files under secrets are not for agents. Ask their owner for what you need.")
forbid (
  principal,
  action == Action::"read_text_file",
  resource
)
when { context.arguments.path like "*secrets*" };
`;

/** What no rule can decide: a person is asked about each such call, and answers for exactly that one. */
const REFUNDS_NEED_A_PERSON = `// A promise of money is for a person to make, whoever writes it down.
@id("refunds-need-a-person")
@aarm_decision("step_up")
@ttl("15m")
@advice("Somebody has to approve updates about refunds. Make the same call again once they have.")
forbid (
  principal,
  action == Action::"post_update",
  resource
)
when { context.arguments.text like "*refund*" };
`;

/** What the review changed. */
export interface Review {
  /** Tools that stay in the catalog, sorted. */
  approved: string[];
  /** Tools that were in the catalog and are no more. */
  removed: string[];
}

/**
 * Does to the catalog and the policies in `folder` what a security engineer does after `cmcp init`: keeps the tools that
 * are needed and nothing else, says that file contents may be customer data, forbids an argument, and has a person
 * asked about another.
 */
export async function review(folder: string): Promise<Review> {
  const narrowed = await narrowCatalog(join(folder, 'catalog.json'));
  await writeFile(join(folder, 'policy', '30-secrets-stay-unread.cedar'), SECRETS_STAY_UNREAD);
  await writeFile(join(folder, 'policy', '40-refunds-need-a-person.cedar'), REFUNDS_NEED_A_PERSON);
  return narrowed;
}

async function narrowCatalog(file: string): Promise<Review> {
  const catalog = parseJson(await readFile(file));
  const tools = isObject(catalog) ? member(catalog, 'tools') : undefined;
  if (!isObject(catalog) || !Array.isArray(tools)) throw new Error(`${file} is not a catalog`);
  const nameOf = (tool: JsonObject): string => String(member(tool, 'name'));
  const listed = tools.filter(isObject);
  const kept = listed.filter((tool) => APPROVED.includes(nameOf(tool)));
  for (const tool of kept) {
    if (nameOf(tool) === 'read_text_file') setMember(tool, 'sensitivity', 'pii');
  }
  setMember(catalog, 'tools', kept);
  for (const unneeded of ['resources', 'prompts']) setMember(catalog, unneeded, []);
  await writeFile(file, `${stringifyJson(catalog)}\n`);
  return { approved: kept.map(nameOf).sort(), removed: listed.filter((tool) => !kept.includes(tool)).map(nameOf) };
}
