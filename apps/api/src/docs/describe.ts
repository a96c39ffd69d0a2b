// How a route is documented: what it does, what it answers, and every way in which it refuses, with bodies that are real.
import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiParam, ApiProduces, ApiResponse, ApiSecurity } from '@nestjs/swagger';
import type { z } from 'zod';
import { rowOf, type ProblemCode } from '../http/problem.js';
import { schemaRef } from './schemas.js';

export interface Description {
  summary: string;
  description: string;
  /** Of success; default 200. */
  status?: number;
  /** The schema of a JSON answer; it must have a name (`.meta({ id })`). */
  answer?: z.ZodType;
  example?: unknown;
  /** Other representations of the answer, by media type. */
  content?: Record<string, { schema: Record<string, unknown>; example?: unknown }>;
  answerDescription?: string;
  params?: Record<string, { description: string; example: string }>;
  /** No examples: Swagger UI would fill them in, and a request would ask for what nobody meant. */
  headers?: Record<string, { description: string }>;
  bodyExamples?: Record<string, { summary: string; value: unknown }>;
  /** The body may be left out. */
  bodyOptional?: boolean;
  /** Takes an Idempotency-Key. */
  idempotent?: boolean;
  /** Needs no token. */
  open?: boolean;
  errors: readonly ProblemCode[];
}

/** What any route behind a token may answer. */
const ALWAYS: readonly ProblemCode[] = ['UNAUTHENTICATED', 'DATABASE_UNAVAILABLE', 'INTERNAL'];
const WITH_BODY: readonly ProblemCode[] = ['MALFORMED_BODY', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];
const WITH_KEY: readonly ProblemCode[] = ['IDEMPOTENCY_IN_PROGRESS', 'IDEMPOTENCY_MISMATCH'];

export function Describe(route: Description): MethodDecorator {
  const errors: readonly ProblemCode[] = [
    ...route.errors,
    ...(route.bodyExamples === undefined ? [] : WITH_BODY),
    ...(route.idempotent === true ? WITH_KEY : []),
    ...(route.open === true ? [] : ALWAYS),
  ];
  return applyDecorators(
    ApiOperation({ summary: route.summary, description: route.description }),
    ...(route.open === true ? [] : [ApiSecurity('token')]),
    ...Object.entries(route.params ?? {}).map(([name, param]) =>
      ApiParam({ name, description: param.description, schema: { type: 'string', example: param.example } }),
    ),
    ...Object.entries(route.headers ?? {}).map(([name, header]) =>
      ApiHeader({
        name,
        required: false,
        description: header.description,
        schema: { type: 'string' },
      }),
    ),
    ...(route.bodyExamples === undefined
      ? []
      : [ApiBody({ examples: route.bodyExamples, schema: {}, required: route.bodyOptional !== true })]),
    ...(route.idempotent === true
      ? [
          ApiHeader({
            name: 'Idempotency-Key',
            required: false,
            description: 'Sent again under the same key, the request gets its first answer again and creates nothing.',
            schema: { type: 'string', maxLength: 255 },
          }),
        ]
      : []),
    ApiProduces('application/json'),
    ApiResponse(success(route)),
    ...problemResponses(errors),
  );
}

function success(route: Description): Parameters<typeof ApiResponse>[0] {
  const status = route.status ?? 200;
  const description = route.answerDescription ?? SUCCESS[status] ?? 'Done.';
  const json: ContentByType =
    route.answer === undefined
      ? {}
      : {
          'application/json': {
            schema: schemaRef(route.answer),
            ...(route.example === undefined ? {} : { example: route.example }),
          },
        };
  const content: ContentByType = { ...json, ...route.content };
  return Object.keys(content).length === 0 ? { status, description } : { status, description, content };
}

type ContentByType = NonNullable<Description['content']>;

const SUCCESS: Readonly<Record<number, string>> = {
  200: 'Here it is.',
  201: 'Created.',
  202: 'Accepted.',
  204: 'Done.',
};

/** One response for each status, with an example for each code that has it. */
function problemResponses(codes: readonly ProblemCode[]): MethodDecorator[] {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes))
    byStatus.set(rowOf(code).status, [...(byStatus.get(rowOf(code).status) ?? []), code]);
  return [...byStatus].map(([status, group]) =>
    ApiResponse({
      status,
      description: group.map((code) => `\`${code}\`: ${rowOf(code).title}.`).join(' '),
      content: {
        'application/problem+json': {
          schema: { $ref: '#/components/schemas/Problem' },
          examples: Object.fromEntries(group.map((code) => [code, { value: exampleOf(code) }])),
        },
      },
    }),
  );
}

function exampleOf(code: ProblemCode): Record<string, unknown> {
  const { status, title } = rowOf(code);
  const wrongField = code === 'INVALID_INPUT';
  return {
    type: `urn:kilnyard:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    code,
    detail: wrongField ? 'timeoutInMinutes: expected a number of at least 5, got 1' : `${title}.`,
    requestId: '5c0b4a52-1c4e-4b5c-9d8a-3f1a2b7c9e10',
    findings: wrongField ? [{ field: 'timeoutInMinutes', expected: 'a number of at least 5', got: '1' }] : [],
  };
}
