import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { openApiText } from './write-openapi.js';

interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: unknown[];
  parameters?: { name: string; in: string; schema?: unknown }[];
  responses: Record<string, { description: string; content?: Record<string, unknown> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
}

describe('the OpenAPI document', () => {
  it('is the one that is committed', async () => {
    const committed = await readFile(new URL('../../../../openapi.json', import.meta.url), 'utf8');
    expect((await openApiText()) === committed).toBe(true); // else: node dist/apps/api/src/docs/write-openapi.js
  });

  it('is whole: 3.1, no dangling reference, every operation told, every parameter of a path named', async () => {
    const text = await openApiText();
    const document = JSON.parse(text) as Document;
    expect(document.openapi).toMatch(/^3\.1\./);
    for (const [, name] of text.matchAll(/"\$ref": "#\/components\/schemas\/([^"]+)"/g))
      expect(document.components.schemas).toHaveProperty(name ?? '');
    expect(text).not.toContain('"nullable"');
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    );
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    for (const { path, method, operation } of operations) {
      const place = `${method} ${path}`;
      const named = (operation.parameters ?? []).filter((param) => param.in === 'path').map(({ name }) => name);
      expect([place, named.sort()]).toEqual([place, [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort()]);
      expect([place, Boolean(operation.summary && operation.description && operation.tags?.length)]).toEqual([
        place,
        true,
      ]);
      const open = ['/health', '/v1/buildspec/schema.json'].includes(path);
      expect([place, operation.security?.length ?? 0]).toEqual([place, open ? 0 : 1]);
      for (const [status, response] of Object.entries(operation.responses))
        if (Number(status) >= 400 && !open)
          expect([place, status, Object.keys(response.content ?? {})]).toEqual([
            place,
            status,
            ['application/problem+json'],
          ]);
    }
  });
});
