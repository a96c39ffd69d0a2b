// The zod schemas that check requests and type answers, as components of the OpenAPI document: one source for both.
import { z } from 'zod';
import { FAULT_CODES, REFUSAL_CODES } from '#core/errors.js';
import { HTTP_REFUSAL_CODES } from '../http/http-refusal.js';

type JsonSchema = Record<string, unknown>;
const PREFIX = '#/components/schemas/';

export const finding = z
  .object({
    field: z.string().meta({ description: 'Dotted path; empty for the whole request.' }),
    expected: z.string(),
    got: z.string().meta({ description: 'Shortened; never a secret.' }),
    line: z.int().optional(),
    column: z.int().optional(),
    severity: z.enum(['error', 'warning']).optional().meta({ description: 'Absent: an error.' }),
    suggestion: z.string().optional().meta({ description: 'What was probably meant.' }),
  })
  .meta({ id: 'Finding', description: 'One thing that is wrong with a request.' });

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum([...REFUSAL_CODES, ...FAULT_CODES, ...HTTP_REFUSAL_CODES]),
    detail: z.string(),
    requestId: z.string(),
    findings: z.array(finding),
  })
  .meta({ id: 'Problem', description: 'Every error answer (RFC 9457); all findings at once.' });

/** A reference to a named schema. A schema without a name is a bug. */
export function schemaRef(schema: z.ZodType): JsonSchema {
  const id = z.globalRegistry.get(schema)?.id;
  if (id === undefined) throw new Error('a documented schema needs .meta({ id })');
  return { $ref: `${PREFIX}${id}` };
}

/** All named schemas, as JSON Schema 2020-12, which OpenAPI 3.1 speaks. */
export function componentSchemas(): Record<string, JsonSchema> {
  const { schemas } = z.toJSONSchema(z.globalRegistry, {
    target: 'draft-2020-12',
    io: 'input',
    uri: (id) => `${PREFIX}${id}`,
    unrepresentable: 'any',
  });
  return Object.fromEntries(
    Object.entries(schemas)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, schema]) => [id, withoutHeads(schema as JsonSchema)]),
  );
}

/** For Nest's explorer: a named schema by reference, another one (a query) written out. */
export function convertSchema(schema: unknown): { schema: JsonSchema } | undefined {
  if (!(schema instanceof z.ZodType)) return undefined;
  if (z.globalRegistry.get(schema)?.id !== undefined) return { schema: schemaRef(schema) };
  const made = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => asQueryNumber(jsonSchema),
  });
  return { schema: withoutHeads(made as JsonSchema) };
}

/** Query parameters come as text, but a whole number is what people are to write. */
function asQueryNumber(jsonSchema: JsonSchema): void {
  const { wholeNumber } = jsonSchema;
  if (typeof wholeNumber !== 'object' || wholeNumber === null) return;
  delete jsonSchema['wholeNumber'];
  delete jsonSchema['pattern'];
  Object.assign(jsonSchema, { type: 'integer' }, wholeNumber);
}

function withoutHeads(schema: JsonSchema): JsonSchema {
  const { $schema: _schema, $id: _id, id: _name, ...rest } = schema;
  return rest;
}
