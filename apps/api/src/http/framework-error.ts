// Translates what Fastify and Nest throw into Kilnyard's own words, at the edge. Everything else passes through untouched.
import { HttpException } from '@nestjs/common';
import { Refusal } from '#core/errors.js';
import { HttpRefusal, type HttpRefusalCode } from './http-refusal.js';

const BY_FASTIFY_CODE: Readonly<Record<string, HttpRefusalCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MALFORMED_BODY',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'MALFORMED_BODY',
  FST_ERR_CTP_INVALID_JSON_BODY: 'MALFORMED_BODY',
  FST_ERR_BAD_URL: 'MALFORMED_URL',
  FST_ERR_MAX_PARAM_LENGTH: 'MALFORMED_URL',
  FST_ERR_ASYNC_CONSTRAINT: 'MALFORMED_URL',
};

const BY_STATUS: Readonly<Record<number, HttpRefusalCode>> = {
  400: 'MALFORMED_BODY',
  405: 'METHOD_NOT_ALLOWED',
  406: 'NOT_ACCEPTABLE',
  408: 'REQUEST_TIMEOUT',
  413: 'BODY_TOO_LARGE',
  414: 'MALFORMED_URL',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  431: 'HEADERS_TOO_LARGE',
};

/** In: anything thrown while a request was served. Out: a Refusal or HttpRefusal where it is one of the framework's, else the same. */
export function translateFrameworkError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const fastifyCode = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
  const byCode = BY_FASTIFY_CODE[fastifyCode];
  if (byCode !== undefined) return new HttpRefusal(byCode, sentence(byCode, thrown.message), { cause: thrown });
  if (!(thrown instanceof HttpException) && !fastifyCode.startsWith('FST_')) return thrown;
  const status = thrown instanceof HttpException ? thrown.getStatus() : statusOf(thrown);
  if (status === 404) return new Refusal('NOT_FOUND', thrown.message, { cause: thrown });
  const byStatus = BY_STATUS[status];
  return byStatus === undefined ? thrown : new HttpRefusal(byStatus, thrown.message, { cause: thrown });
}

function statusOf(thrown: Error): number {
  return 'statusCode' in thrown && typeof thrown.statusCode === 'number' ? thrown.statusCode : 500;
}

function sentence(code: HttpRefusalCode, message: string): string {
  if (code === 'UNSUPPORTED_MEDIA_TYPE')
    return 'expected a body of a type that this route reads (see /docs), got another Content-Type';
  return message;
}
