// The OpenAPI 3.1 document: paths from the controllers, schemas from zod, put together.
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { componentSchemas, convertSchema } from './schemas.js';

const ABOUT = `Kilnyard is a managed build service that you run yourself, with AWS CodeBuild's model.

**In three steps**: press *Authorize* and enter your token; create a project (*Projects*, the example works as it stands); start a build of it (*Builds*) and read its log (*Logs*).

Every error is a problem (RFC 9457) that names the field, what was expected and what came. Creating POSTs take an \`Idempotency-Key\`. Lists page by cursor. Every answer has an \`X-Request-Id\`.`;

const TAGS: [string, string][] = [
  ['Projects', 'What is built, from where, and how.'],
  ['Builds', 'Start, watch, stop, retry.'],
  ['Batches', 'Many builds of one commit with one outcome: lists, graphs, matrices, fan-outs.'],
  ['Logs', 'Read, follow, download.'],
  ['Artifacts', 'What builds leave behind.'],
  ['Uploads', 'Source archives without a Git host.'],
  ['Buildspec', 'Check before you build.'],
  ['Parameters', 'Plain values that builds read by name.'],
  ['Secrets', 'Values that builds read by name and that logs mask.'],
  ['Workers and queue', 'Who builds, and what waits.'],
  ['Service', 'Health and metrics.'],
];

export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Kilnyard')
    .setDescription(ABOUT)
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        description: 'A token of this Kilnyard, or the admin token that `npm start` prints.',
      },
      'token',
    );
  for (const [name, about] of TAGS) builder.addTag(name, about);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '').toLowerCase()}_${method}`,
    standardSchemaConverter: convertSchema,
  });
  document.components = { ...document.components, schemas: componentSchemas() as Schemas };
  document.paths = Object.fromEntries(Object.entries(document.paths).map(([path, item]) => [namedRest(path), item]));
  return document;
}

/** The router calls the rest of a path `*`, which becomes `{path}`; the document calls it by what it is. */
function namedRest(path: string): string {
  return path.includes('/files/') ? path : path.replace(/\{path\}$/, '{name}');
}

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;
