import { canonicalSorted, digest, type JsonObject } from '@cmcp/evidence';
import type { RuleId } from '../../packages/gateway/src/authoring/policy/lint/rules.ts';
import { approvedRecord } from './catalog.ts';
import { type LintCase, lintCatalog, schemaFor } from './lint-bed.ts';
import { referenceEntry, toolRecord } from './policy.ts';

const call = (tool: string, condition = '', effect = 'permit') =>
  `${effect}(principal == Agent::"ops", action == Action::"${tool}", resource)${condition === '' ? '' : ` when { ${condition} }`};`;
const forbidAll = (condition: string) =>
  `forbid(principal, action in Action::"call_tool", resource) when { ${condition} };`;
const compat = (policy: string, catalog?: JsonObject[]): LintCase =>
  catalog === undefined ? { policy, compat: true } : { policy, compat: true, catalog };

/** For each rule, bundles that it has something to say of, at a place, and near misses. */
export const LINT_CASES: Record<RuleId, { found: [LintCase, where: string, says: RegExp][]; missed: LintCase[] }> = {
  unreadable: {
    found: [
      [
        { policy: 'permit(principal, action, resource);\n\npermit(principle, action, resource);' },
        'all.cedar:3',
        /principle/,
      ],
      [{ policy: { 'a.cedar': 'permit(', 'b.cedar': call('patient') } }, 'a.cedar:1', /./],
      [
        { policy: call('board').replace('== Action::"board"', '== Action::"call_tool"') },
        'all.cedar:1',
        /never matches/,
      ],
      [{ policy: `${call('board')}\n@id("x y") ${call('board')}` }, 'all.cedar', /@id/],
      [{ policy: { 'manifest.json': '{', 'a.cedar': call('board') } }, 'manifest.json:1', /JSON/],
    ],
    missed: [{ policy: call('patient') }],
  },
  'ill-typed': {
    found: [
      [
        {
          policy: `${call('board')}\n${call('read_note', 'context.arguments has path && context.arguments.pth == "x"')}`,
        },
        'all.cedar:2',
        /pth/,
      ],
      [{ policy: `${call('board')}\n\n${call('no_such_tool')}` }, 'all.cedar:3', /no_such_tool/],
      [{ policy: call('send_mail', 'context.arguments.to == "x"') }, 'all.cedar:1', /to/],
      [{ policy: call('read_note', 'context.arguments.path == "x"') }, 'all.cedar:1', /optional/],
      [{ policy: call('board'), schema: 'entity Agent' }, 'schema.cedarschema:1', /./],
    ],
    missed: [{ policy: call('read_note', 'context.arguments has path && context.arguments.path == "x"') }],
  },
  misfit: {
    found: [
      [
        { policy: call('board'), schema: schemaFor(lintCatalog()).replaceAll('"patient"', '"patients"') },
        'schema.cedarschema',
        /"patient"/,
      ],
      [compat('permit(principal, action == cMCP::Action::"call_tool", resource);'), 'all.cedar', /cMCP/],
    ],
    missed: [{ policy: call('patient') }, compat('permit(principal, action, resource);')],
  },
  'stale-schema': {
    found: [
      [
        {
          policy: call('read_note', 'context.arguments has file'),
          schema: schemaFor(lintCatalog()).replace('"path"?', '"file"?'),
        },
        'schema.cedarschema:1',
        /read_note/,
      ],
      [
        {
          policy: `\n${call('read_note', 'context.arguments has file && context.arguments.file == "x"')}`,
          schema: schemaFor(lintCatalog()).replace('"path"?', '"file"?'),
        },
        'schema.cedarschema:1',
        /read_note/,
      ],
    ],
    missed: [
      { policy: call('read_note') },
      {
        policy: call('read_note'),
        schema: schemaFor(lintCatalog()).replace('"platform": String,', '"platform"?: String,'),
      },
    ],
  },
  'cedar-warning': {
    found: [
      [
        { policy: call('read_note', 'context.arguments has path && context.arguments.path == "nоte"') },
        'all.cedar:1',
        /mixed script|nоte/,
      ],
    ],
    missed: [
      { policy: 'permit(principal, action in Action::"call_tool", resource is Server);' },
      { policy: call('board', 'context.arguments has path && context.arguments.path == "x"') },
      { policy: call('read_note', 'context.arguments has path && context.arguments.path == "note"') },
    ],
  },
  'not-examined': {
    found: [[{ policy: `${call('board')}\n${call('board', ranksApart(300))}` }, 'all.cedar:2', /too deep/]],
    missed: [{ policy: call('board', ranksApart(150)) }],
  },
  'unconditional-permit': {
    found: [
      [{ policy: 'permit(principal, action, resource);' }, 'all.cedar:1', /every tool/],
      [
        {
          policy: `${call('board')}\npermit(principal is Agent, action in Action::"call_tool", resource) when { true };`,
        },
        'all.cedar:2',
        /every tool/,
      ],
      [compat('permit(principal, action, resource);'), 'all.cedar:1', /every tool/],
    ],
    missed: [
      { policy: 'permit(principal == Agent::"ops", action, resource);' },
      { policy: 'permit(principal, action == Action::"read_resource", resource);' },
    ],
  },
  unreachable: {
    found: [
      [{ policy: 'permit(principal, action, resource == Resource::"no_such");' }, 'all.cedar:1', /no_such/],
      [
        { policy: `${call('board')}\nforbid(principal, action, resource in Server::"loca");` },
        'all.cedar:2',
        /forbids nothing.*loca/,
      ],
      [{ policy: call('board').replace('"ops"', '"opps"') }, 'all.cedar:1', /opps/],
      [
        {
          policy:
            'permit(principal, action in Action::"call_tool", resource) when { resource.sensitivity == "secret" };',
        },
        'all.cedar:1',
        /no request/,
      ],
      [
        { policy: 'permit(principal, action, resource is Server) when { action in Action::"call_tool" };' },
        'all.cedar:1',
        /no request/,
      ],
      [
        { policy: call('board', 'context.arguments has path && context.arguments.path == "x"') },
        'all.cedar:1',
        /no request/,
      ],
      [{ policy: call('board', 'context.caller.subject == "desk"') }, 'all.cedar:1', /no request/],
      [
        { policy: 'permit(principal, action == Action::"elicit", resource == Server::"local");' },
        'all.cedar:1',
        /no request/,
      ],
      [compat('permit(principal == Agent::"ops", action, resource);'), 'all.cedar:1', /ops/],
    ],
    missed: [
      {
        policy: call('board', 'principal.source == "svid"'),
      },
      { policy: 'permit(principal in Group::"ops", action == Action::"board", resource);' },
      { policy: call('board', 'principal in Group::"ops" && !(principal in Group::"interns")') },
      { policy: call('board', 'principal.scopes.contains("board") && principal has on_behalf_of') },
      { policy: call('board', '!(context.caller has on_behalf_of) && context.caller.groups.contains("ops")') },
      { policy: 'permit(principal, action, resource == Resource::"board");' },
      { policy: 'permit(principal, action, resource in Server::"local");' },
      { policy: call('board', 'context.caller.subject like "op*"') },
      { policy: 'permit(principal, action, resource) when { context.caller.subject like "o*" };' },
      {
        policy:
          'permit(principal, action in Action::"call_tool", resource) when { resource.sensitivity == "hipaa_phi" };',
      },
      {
        policy:
          'permit(principal, action == Action::"elicit", resource == Server::"web") when { context.mode == "url" && context has host && context.host == "a" };',
      },
      { policy: 'forbid(principal, action, resource) when { context has response && context.response.size > 9 };' },
    ],
  },
  idle: {
    found: [
      [{ policy: 'permit(principal, action == Action::"sample", resource);' }, 'all.cedar:1', /no request possible/],
    ],
    missed: [
      { policy: 'permit(principal, action == Action::"elicit", resource);' },
      { policy: 'permit(principal, action, resource == Resource::"no_such");' },
    ],
  },
  overridden: {
    found: [
      [
        {
          policy: `${call('board', 'context.trust_level == "hardware"')}\nforbid(principal, action, resource in Server::"local");`,
        },
        'all.cedar:1',
        /policy1/,
      ],
      [
        {
          policy: `forbid(principal, action == Action::"board", resource);\nforbid(principal, action == Action::"patient", resource);\npermit(principal == Agent::"ops", action in [Action::"board", Action::"patient"], resource);`,
        },
        'all.cedar:3',
        /policy0, policy1/,
      ],
    ],
    missed: [
      {
        policy: `${call('board')}\nforbid(principal, action, resource in Server::"local") when { context.trust_level == "software" };`,
      },
      {
        policy: `permit(principal, action, resource in Server::"local");\nforbid(principal == Agent::"ops", action, resource in Server::"local");`,
      },
    ],
  },
  shadowed: {
    found: [
      [
        {
          policy: `permit(principal == Agent::"ops", action in Action::"call_tool", resource);\n${call('board', 'context.trust_level == "hardware"')}`,
        },
        'all.cedar:2',
        /policy0/,
      ],
      [
        { policy: `${forbidAll('context.trust_level == "software"')}\nforbid(principal, action, resource);` },
        'all.cedar:1',
        /policy1/,
      ],
    ],
    missed: [
      { policy: `permit(principal == Agent::"desk", action in Action::"call_tool", resource);\n${call('board')}` },
      {
        policy: `permit(principal == Agent::"ops", action in Action::"call_tool", resource) when { context.trust_level == "hardware" };\n${call('board')}`,
      },
      {
        policy: `forbid(principal, action, resource);\n@advice("Ask first.") ${forbidAll('context.trust_level == "software"')}`,
      },
    ],
  },
  duplicate: {
    found: [
      [
        { policy: `${call('board')}\n\n@id("again") ${call('board').replaceAll(' ', '\n ')}` },
        'all.cedar:3',
        /policy0/,
      ],
    ],
    missed: [
      { policy: `${call('board')}\n${call('patient')}` },
      {
        policy: `${call('board', 'context.arguments has year && context.arguments.year == 9007199254740993')}\n${call('board', 'context.arguments has year && context.arguments.year == 9007199254740992')}`,
      },
    ],
  },
  'unknown-name': {
    found: [
      [
        { policy: 'permit(principal, action, resource) when { resource in [Server::"loca", Server::"web"] };' },
        'all.cedar:1',
        /Server::"loca"/,
      ],
      [
        { policy: call('board', 'principal in [Agent::"ops", Agent::"des"]') },
        'all.cedar:1',
        /Agent::"des" in the configuration/,
      ],
      [
        compat('permit(principal, action in [Action::"ReadNote", Action::"read_note"], resource);'),
        'all.cedar:1',
        /"read_note"/,
      ],
    ],
    missed: [
      { policy: 'permit(principal, action, resource) when { resource in [Server::"local", Server::"web"] };' },
      compat('permit(principal, action in [Action::"ReadNote"], resource);'),
    ],
  },
  'impossible-value': {
    found: [
      [
        { policy: call('send_mail', 'context.flow.sources.tools.contains("patients")') },
        'all.cedar:1',
        /never holds "patients"/,
      ],
      [
        { policy: call('send_mail', 'context.flow.sources.servers.containsAny(["web", "wob"])') },
        'all.cedar:1',
        /never holds "wob"/,
      ],
      [{ policy: call('send_mail', 'context.flow.max_sensitivity == "phi"') }, 'all.cedar:1', /never "phi"/],
      [
        { policy: call('send_mail', 'context.arguments has priority && context.arguments.priority == "urgent"') },
        'all.cedar:1',
        /never "urgent"/,
      ],
      [
        {
          policy: call(
            'send_mail',
            'context.arguments has priority && ["low", "hgih"].contains(context.arguments.priority)',
          ),
        },
        'all.cedar:1',
        /never "hgih"/,
      ],
      [{ policy: forbidAll('context.session.max_class == "hippa_phi"') }, 'all.cedar:1', /never "hippa_phi"/],
      [{ policy: call('board', 'context.trust_level == "hardwear"') }, 'all.cedar:1', /hardwear/],
      [
        compat('permit(principal, action, resource) when { context.session_max_sensitivity != "publik" };'),
        'all.cedar:1',
        /publik/,
      ],
    ],
    missed: [
      { policy: call('send_mail', 'context.arguments has priority && context.arguments.priority == "high"') },
      { policy: call('send_mail', 'context.arguments has subject && context.arguments.subject == "urgent"') },
      { policy: forbidAll('context.session.max_class == "board_minutes"') },
    ],
  },
  'can-fail': {
    found: [
      [compat('forbid(principal, action, resource) when { context.egress };'), 'all.cedar:1', /decided first/],
      [
        compat('forbid(principal, action, resource) when { context.workflow_id == "x" };'),
        'all.cedar:1',
        /decided first/,
      ],
      [
        compat(
          'permit(principal, action, resource);\nforbid(principal, action, resource) when { context.arguments.to == "x" };',
        ),
        'all.cedar:2',
        /read_note/,
      ],
      [
        { policy: forbidAll('context.arguments has year && context.arguments.year * context.arguments.year > 9') },
        'all.cedar:1',
        /64 bits/,
      ],
      [
        { policy: call('board', 'context.arguments has year && context.arguments.year * 1000000 > 9') },
        'all.cedar:1',
        /64 bits/,
      ],
      [
        {
          policy: call('board', 'Group::"ops".team == "x"'),
          schema: schemaFor(lintCatalog()).replace('entity Group;', 'entity Group = { "team": String };'),
        },
        'all.cedar:1',
        /reads what is not there/,
      ],
    ],
    missed: [
      compat('forbid(principal, action, resource) when { context has egress && context.egress };'),
      compat('forbid(principal, action, resource) when { context.arguments has to && context.arguments.to == "x" };'),
      { policy: forbidAll('context.arguments has year && context.arguments.year + 1000 > 9') },
      {
        policy: forbidAll('context.arguments has year && context.arguments.year * 100 > -(context.session.class_rank)'),
      },
    ],
  },
  'asserted-permit': {
    found: [
      [{ policy: call('board', 'context has workflow && context.workflow.id == "audit"') }, 'all.cedar:1', /workflow/],
      [{ policy: call('board', 'context has workflow') }, 'all.cedar:1', /workflow/],
      [
        { policy: 'permit(principal, action == Action::"elicit", resource) when { context.message like "Please*" };' },
        'all.cedar:1',
        /message/,
      ],
      [
        compat('permit(principal, action, resource) when { context has workflow_id && context.workflow_id == "a" };'),
        'all.cedar:1',
        /workflow/,
      ],
    ],
    missed: [
      {
        policy: call(
          'board',
          'context has workflow && context.workflow.source == "signed" && context.workflow.id == "audit"',
        ),
      },
      { policy: forbidAll('context has workflow && context.workflow.id == "audit"') },
      { policy: call('board', 'context.session.class == "public"') },
    ],
  },
  'asserted-forbid': {
    found: [
      [
        { policy: forbidAll('context has workflow && context.workflow.id == "audit"') },
        'all.cedar:1',
        /another workflow/,
      ],
      [
        { policy: 'forbid(principal, action in Action::"call_tool", resource) unless { context has workflow };' },
        'all.cedar:1',
        /another workflow/,
      ],
    ],
    missed: [
      { policy: call('board', 'context has workflow') },
      {
        policy:
          'forbid(principal, action, resource) unless { context has workflow && context.workflow.source == "signed" };',
      },
    ],
  },
  'never-permitted': {
    found: [
      [{ policy: call('board') }, 'catalog.json: tools[name="patient"]', /always denied/],
      [
        {
          policy:
            'permit(principal, action in Action::"call_tool", resource) unless { resource.sensitivity_rank > 2 };',
        },
        'catalog.json: tools[name="patient"]',
        /always denied/,
      ],
      [
        compat('permit(principal, action == Action::"ReadNote", resource);'),
        'catalog.json: tools[name="send_mail"]',
        /always denied/,
      ],
    ],
    missed: [
      {
        policy:
          'permit(principal == Agent::"ops", action in Action::"call_tool", resource) when { context.trust_level == "hardware" };',
      },
    ],
  },
  'catch-all-only': {
    found: [
      [
        { policy: `${call('board')}\npermit(principal, action, resource);` },
        'all.cedar:2',
        /: patient, read_note, report, send_mail$/,
      ],
    ],
    missed: [
      { policy: `permit(principal, action, resource);\n${forbidAll('context.trust_level == "software"')}` },
      { policy: call('board') },
    ],
  },
  'sensitive-to-anyone': {
    found: [
      [{ policy: 'permit(principal, action == Action::"patient", resource);' }, 'all.cedar:1', /patient \(hipaa_phi\)/],
      [
        {
          policy: 'permit(principal, action, resource in Server::"local") when { context.arguments has year };'.replace(
            'action,',
            'action == Action::"board",',
          ),
        },
        'all.cedar:1',
        /board \(board_minutes\)/,
      ],
      [
        {
          policy:
            'permit(principal, action == Action::"patient", resource) when { context.trust_level != "hardware" };',
        },
        'all.cedar:1',
        /patient/,
      ],
      [
        compat('permit(principal, action, resource);', [referenceEntry('read_note', { sensitivity_level: 'mnpi' })]),
        'all.cedar:1',
        /mnpi/,
      ],
    ],
    missed: [
      { policy: call('patient') },
      { policy: 'permit(principal, action == Action::"read_note", resource);' },
      {
        policy: 'permit(principal, action == Action::"patient", resource) when { context.trust_level == "hardware" };',
      },
      {
        policy: 'permit(principal, action == Action::"patient", resource) when { context.caller.source == "bearer" };',
      },
      {
        policy: `permit(principal, action == Action::"patient", resource);\nforbid(principal, action == Action::"patient", resource) when { context.trust_level == "software" };`,
      },
      {
        policy: `permit(principal, action == Action::"patient", resource);\nforbid(principal, action == Action::"patient", resource) when { context.caller.source == "stdio" };`,
      },
      compat('permit(principal, action, resource) when { context.attestation_platform != "software-only" };', [
        referenceEntry('read_note', { sensitivity_level: 'mnpi' }),
      ]),
    ],
  },
  'telemetry-egress': {
    found: [
      [{ policy: call('report') }, 'all.cedar:1', /"report" may go to Datadog/],
      [
        {
          policy: `${call('report')}\nforbid(principal, action, resource == Resource::"report") when { context.session.class_rank >= 2 };`,
        },
        'all.cedar:1',
        /Datadog/,
      ],
    ],
    missed: [
      {
        policy: `${call('report')}\nforbid(principal, action, resource == Resource::"report") when { context.session.class_rank >= 1 };`,
      },
      { policy: call('report', 'context.session.max_class == "public"') },
      { policy: call('send_mail') },
    ],
  },
  'void-match': {
    found: [
      [
        {
          policy: forbidAll('context.arguments has to && context.arguments.to == "all@example"'),
          catalog: twoMailers(),
        },
        'all.cedar:1',
        /send_mail/,
      ],
      [
        compat(
          'forbid(principal, action, resource) when { context.arguments has to && context.arguments.to like "*@evil" };',
        ),
        'all.cedar:1',
        /context\.arguments\.to/,
      ],
      [
        compat(
          'permit(principal, action, resource) when { context.arguments has opt && context.arguments.opt has to && context.arguments.opt.to != "x" };',
          [referenceEntry('read_note', nested({ type: ['string', 'array'] }))],
        ),
        'all.cedar:1',
        /opt\.to/,
      ],
    ],
    missed: [
      { policy: forbidAll('context.arguments has subject && context.arguments.subject == "x"'), catalog: twoMailers() },
      { policy: call('draft', 'context.arguments has to && context.arguments.to == "x"'), catalog: twoMailers() },
      compat('permit(principal, action, resource) when { context.arguments has to && context.arguments.to == "x" };'),
      compat(
        'forbid(principal, action, resource) when { context.arguments has opt && context.arguments.opt has to && context.arguments.opt.to == "x" };',
        [referenceEntry('read_note', nested({ type: ['string', 'null'] }))],
      ),
    ],
  },
  'flow-gap': {
    found: [
      [
        { policy: call('send_mail', '!context.flow.sources.tools.contains("patient")') },
        'all.cedar:1',
        /permits where a source is not known/,
      ],
      [
        { policy: call('send_mail', 'context.flow.sources.servers.isEmpty()') },
        'all.cedar:1',
        /permits where a source is not known/,
      ],
      [
        { policy: call('send_mail', 'context.flow.sources.servers == ["local"] || context.trust_level == "hardware"') },
        'all.cedar:1',
        /permits where/,
      ],
      [
        {
          policy:
            'permit(principal == Agent::"ops", action == Action::"send_mail", resource) unless { context.flow.sources.classes.containsAny(["hipaa_phi"]) };',
        },
        'all.cedar:1',
        /permits where/,
      ],
      [
        {
          policy: `${call('send_mail')}\n${call('send_mail', 'context.flow.sources.classes.contains("pii")', 'forbid')}`,
        },
        'all.cedar:2',
        /lets pass where a source is not known/,
      ],
    ],
    missed: [
      { policy: call('send_mail', 'context.flow.complete && !context.flow.sources.tools.contains("patient")') },
      { policy: call('send_mail', 'context.flow.sources.tools.contains("read_note")') },
      { policy: call('send_mail', 'context.flow.max_sensitivity_rank == 0') },
      {
        policy: `${call('send_mail')}\n${call('send_mail', 'context.flow.sources.servers.contains("local")', 'forbid')}\n${call('send_mail', '!context.flow.complete && context.session.class_rank >= 1', 'forbid')}`,
      },
    ],
  },
};

/** `to` is a text for one tool, and a text or a list for the other. */
function twoMailers(): JsonObject {
  const properties = { to: { type: ['string', 'array'] }, subject: { type: 'string' } };
  return approvedRecord({
    tools: [
      toolRecord('send_mail', {}, properties),
      toolRecord('draft', {}, { ...properties, to: { type: 'string' } }),
    ],
  });
}

function nested(to: JsonObject): JsonObject {
  const schema = { type: 'object', properties: { opt: { type: 'object', properties: { to } } } };
  const definition = { description: 'Repeats.', input_schema: schema };
  return { approved_definition: definition, definition_hash: digest(canonicalSorted(definition)) };
}

function ranksApart(terms: number): string {
  return Array.from({ length: terms }, (_, rank) => `context.session.class_rank != ${rank}`).join(' && ');
}
