// Writes openapi.json without connecting to anything: `node dist/apps/api/src/docs/write-openapi.js [file]`.
import 'reflect-metadata';
import { writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { pathToFileURL } from 'node:url';
import { AppModule } from '../app.module.js';
import { openApiDocument } from './openapi.js';

/** The document as it is committed: two spaces, a newline at the end. Nothing is constructed, so nothing is connected. */
export async function openApiText(): Promise<string> {
  const neverOpened = (): never => {
    throw new Error('the documents need no connections');
  };
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.on(neverOpened), new FastifyAdapter(), {
    preview: true,
    logger: false,
    abortOnError: false,
  });
  const document = openApiDocument(app);
  await app.close();
  return `${JSON.stringify(document, null, 2)}\n`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeFile(process.argv[2] ?? 'openapi.json', await openApiText());
}
