// Secrets over HTTP: written, listed by name, deleted; their values never leave again.
import { Body, Controller, Delete, Get, HttpCode, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { Refusal } from '#core/errors.js';
import type { Page } from '#store/page.js';
import { SecretsStore } from '#store/secrets.store.js';
import { Describe } from '../docs/describe.js';
import { SlashedName } from '../http/names.js';
import {
  EXAMPLE_ENTRY,
  EXAMPLE_VERSION_ID,
  listSealedValuesQuery,
  sealedValueBody,
  secretPage,
  secretWritten,
  toSealedValueEntry,
  type secretEntry,
} from '../http/sealed-value.dto.js';

const NAME_PARAM = {
  name: { description: 'Name of the secret; `/` may be written as it is or as %2F.', example: 'git/example' },
};

@ApiTags('Secrets')
@Controller('v1/secrets')
export class SecretsController {
  constructor(private readonly secrets: SecretsStore) {}

  @Put('*')
  @Describe({
    summary: 'Write a secret',
    description:
      'Makes it or gives it a new value, often JSON; the value before is kept as AWSPREVIOUS, older ones by their version ids. A build reads it by an environment variable of type SECRETS_MANAGER or by `env.secrets-manager`, a source by `auth`; logs mask it.',
    params: NAME_PARAM,
    answer: secretWritten,
    example: { name: 'git/example', version: 1, versionId: EXAMPLE_VERSION_ID },
    bodyExamples: {
      value: { summary: 'A value', value: { value: '{"username":"ci","password":"s3cret-example"}' } },
    },
    errors: ['INVALID_INPUT'],
  })
  write(
    @SlashedName() name: string,
    @Body({ schema: sealedValueBody }) body: z.output<typeof sealedValueBody>,
  ): Promise<z.infer<typeof secretWritten>> {
    return this.secrets.put(name, body.value);
  }

  @Get()
  @Describe({
    summary: 'List secrets',
    description: 'Names and versions, by cursor; never values.',
    answer: secretPage,
    example: { items: [{ ...EXAMPLE_ENTRY, name: 'git/example', versionId: EXAMPLE_VERSION_ID }], nextCursor: null },
    errors: ['INVALID_INPUT'],
  })
  async list(
    @Query({ schema: listSealedValuesQuery }) query: z.output<typeof listSealedValuesQuery>,
  ): Promise<Page<z.infer<typeof secretEntry>>> {
    const page = await this.secrets.list(query.cursor, query.limit);
    const items = page.items.map((one) => ({ ...toSealedValueEntry(one), versionId: one.versionId }));
    return { items, nextCursor: page.nextCursor };
  }

  @Delete('*')
  @HttpCode(204)
  @Describe({
    summary: 'Delete a secret',
    description: 'With all its versions. Builds that name it fail from then on.',
    params: NAME_PARAM,
    status: 204,
    errors: ['INVALID_INPUT', 'SECRET_NOT_FOUND'],
  })
  async delete(@SlashedName() name: string): Promise<void> {
    if (!(await this.secrets.delete(name))) throw new Refusal('SECRET_NOT_FOUND', `there is no secret ${name}`);
  }
}
