// Parameters over HTTP: written, listed by name, deleted; their values never leave again.
import { Body, Controller, Delete, Get, HttpCode, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { Refusal } from '#core/errors.js';
import type { Page } from '#store/page.js';
import { ParametersStore } from '#store/parameters.store.js';
import { Describe } from '../docs/describe.js';
import { SlashedName } from '../http/names.js';
import {
  EXAMPLE_ENTRY,
  listSealedValuesQuery,
  sealedValueBody,
  sealedValuePage,
  sealedValueWritten,
  toSealedValueEntry,
  type sealedValueEntry,
} from '../http/sealed-value.dto.js';

const NAME_PARAM = {
  name: { description: 'Name of the parameter; `/` may be written as it is or as %2F.', example: 'app/db/host' },
};

@ApiTags('Parameters')
@Controller('v1/parameters')
export class ParametersController {
  constructor(private readonly parameters: ParametersStore) {}

  @Put('*')
  @Describe({
    summary: 'Write a parameter',
    description:
      'Makes it or gives it a new value. A build reads it by an environment variable of type PARAMETER_STORE or by `env.parameter-store` of its buildspec, and its log masks the value.',
    params: NAME_PARAM,
    answer: sealedValueWritten,
    example: { name: 'app/db/host', version: 1 },
    bodyExamples: { value: { summary: 'A value', value: { value: 'db.internal' } } },
    errors: ['INVALID_INPUT'],
  })
  write(
    @SlashedName() name: string,
    @Body({ schema: sealedValueBody }) body: z.output<typeof sealedValueBody>,
  ): Promise<z.infer<typeof sealedValueWritten>> {
    return this.parameters.put(name, body.value);
  }

  @Get()
  @Describe({
    summary: 'List parameters',
    description: 'Names and versions, by cursor; never values.',
    answer: sealedValuePage,
    example: { items: [{ ...EXAMPLE_ENTRY, name: 'app/db/host' }], nextCursor: null },
    errors: ['INVALID_INPUT'],
  })
  async list(
    @Query({ schema: listSealedValuesQuery }) query: z.output<typeof listSealedValuesQuery>,
  ): Promise<Page<z.infer<typeof sealedValueEntry>>> {
    const page = await this.parameters.list(query.cursor, query.limit);
    return { items: page.items.map(toSealedValueEntry), nextCursor: page.nextCursor };
  }

  @Delete('*')
  @HttpCode(204)
  @Describe({
    summary: 'Delete a parameter',
    description: 'Builds that name it fail from then on.',
    params: NAME_PARAM,
    status: 204,
    errors: ['INVALID_INPUT', 'PARAMETER_NOT_FOUND'],
  })
  async delete(@SlashedName() name: string): Promise<void> {
    if (!(await this.parameters.delete(name)))
      throw new Refusal('PARAMETER_NOT_FOUND', `there is no parameter ${name}`);
  }
}
