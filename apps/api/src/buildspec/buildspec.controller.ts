// Checks a buildspec without running it.
import { Body, Controller, Get, Header, HttpCode, Post } from '@nestjs/common';
import { ApiConsumes, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { BUILDSPEC_SCHEMA } from '#buildspec/schema/buildspec-schema.js';
import type { JsonSchema } from '#buildspec/schema/values.js';
import { Describe } from '../docs/describe.js';
import { finding } from '../docs/schemas.js';
import { buildspecText } from '../projects/project-fields.dto.js';
import { checkInlineBuildspec } from './check-buildspec.js';
import { planSummary } from './plan.dto.js';

const buildspecBody = z
  .union([buildspecText, z.strictObject({ buildspec: buildspecText })])
  .meta({ id: 'ValidateBuildspec', description: 'The YAML itself (text/yaml), or JSON that holds it.' });
const buildspecCheck = z
  .object({
    valid: z.literal(true),
    warnings: z.array(finding).meta({ description: 'Odd, but allowed.' }),
    plan: planSummary,
  })
  .meta({ id: 'BuildspecCheck' });

const EXAMPLE = 'version: 0.2\nphases:\n  build:\n    commands:\n      - make\n';

@ApiTags('Buildspec')
@Controller('v1/buildspec')
export class BuildspecController {
  @Get('schema.json')
  @Header('content-type', 'application/schema+json; charset=utf-8')
  @Header('cache-control', 'public, max-age=3600')
  @Describe({
    summary: 'JSON Schema of the buildspec',
    description:
      'For editors: completion and marks while typing. Put `# yaml-language-server: $schema=<this address>` on the first line of a buildspec. Draft-07; needs no token.',
    content: { 'application/schema+json': { schema: { type: 'object' } } },
    open: true,
    errors: [],
  })
  schema(): JsonSchema {
    return BUILDSPEC_SCHEMA;
  }

  @Post('validate')
  @HttpCode(200)
  @ApiConsumes('application/json', 'text/yaml')
  @Describe({
    summary: 'Check a buildspec',
    description:
      'Reads a buildspec as a build would and tells all that is wrong or odd, with line and column, and what it would do. Nothing is stored or run.',
    answer: buildspecCheck,
    example: { valid: true, ...checkInlineBuildspec(EXAMPLE) },
    bodyExamples: { json: { summary: 'JSON that holds the YAML', value: { buildspec: EXAMPLE } } },
    errors: ['INVALID_INPUT', 'BUILDSPEC_INVALID'],
  })
  validate(@Body({ schema: buildspecBody }) body: z.output<typeof buildspecBody>): z.infer<typeof buildspecCheck> {
    const text = typeof body === 'string' ? body : body.buildspec;
    return { valid: true, ...checkInlineBuildspec(text) };
  }
}
