import { fromJsonSchema } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { RED_PIXEL, SILENCE } from './samples.ts';
import { failed, NOTHING, type Tool, text, tool } from './tool.ts';

/** The keywords of JSON Schema 2020-12 that a list must not lose on its way. */
const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const image = { type: 'image' as const, data: RED_PIXEL, mimeType: 'image/png' };

/** The tools that answer at once, each with its kind of content. The first one takes no arguments: the suite picks it. */
export function contentTools(): Tool[] {
  return [
    tool('test_simple_text', 'Answers with a text.', NOTHING, () =>
      text('This is a simple text response for testing.'),
    ),
    tool('test_image_content', 'Answers with an image.', NOTHING, () => ({ content: [image] })),
    tool('test_audio_content', 'Answers with a sound.', NOTHING, () => ({
      content: [{ type: 'audio', data: SILENCE, mimeType: 'audio/wav' }],
    })),
    tool('test_embedded_resource', 'Answers with a resource inside.', NOTHING, () => ({
      content: [
        {
          type: 'resource',
          resource: {
            uri: 'test://embedded-resource',
            mimeType: 'text/plain',
            text: 'This is an embedded resource content.',
          },
        },
      ],
    })),
    tool('test_multiple_content_types', 'Answers with a text, an image and a resource.', NOTHING, () => ({
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        image,
        {
          type: 'resource',
          resource: {
            uri: 'test://mixed-content-resource',
            mimeType: 'application/json',
            text: JSON.stringify({ test: 'data', value: 123 }),
          },
        },
      ],
    })),
    tool('test_resource_link', 'Answers with a link to a resource.', NOTHING, () => ({
      content: [{ type: 'resource_link', uri: 'test://static-text', name: 'static-text', mimeType: 'text/plain' }],
    })),
    tool('test_error_handling', 'Fails.', NOTHING, () =>
      failed('This tool intentionally returns an error for testing'),
    ),
    tool(
      'json_schema_2020_12_tool',
      'Tool with JSON Schema 2020-12 features',
      fromJsonSchema<Record<string, unknown>>(SCHEMA_2020_12),
      (args) => text(JSON.stringify(args)),
    ),
    tool(
      'test_custom_header',
      'Takes an argument that travels in a header too.',
      z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }),
      ({ region }) => text(`Asked in ${region}`),
    ),
  ];
}
