// Checks what came against the zod schema that stands at the parameter, with Nest's own pipe; only its findings are ours.
import { StandardSchemaValidationPipe } from '@nestjs/common';
import { z } from 'zod';
import { findingsOf, refusalOf } from './findings.js';

/** Errors: Refusal INVALID_INPUT with all findings. The handler gets the schema's output: defaults filled in, numbers read. */
export class ValidationPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({ transform: true, validateCustomDecorators: true });
  }

  protected override validate<T>(value: unknown, schema: { readonly '~standard': unknown }): { value: T } {
    if (!(schema instanceof z.ZodType)) throw new Error('parameters are checked by zod schemas');
    const result = schema.safeParse(value);
    if (!result.success) throw refusalOf(findingsOf(schema, result.error.issues, value));
    return { value: result.data as T };
  }
}
