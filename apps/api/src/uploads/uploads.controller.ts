// Uploads of source archives.
import { Controller, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Blobs } from '#blobs/blobs.js';
import { UploadsStore } from '#store/uploads.store.js';
import { SETTINGS, type ApiSettings } from '../connections.js';
import { Describe } from '../docs/describe.js';
import { ARCHIVE_TYPES } from '../http/body-parsers.js';
import { HttpRefusal } from '../http/http-refusal.js';
import { ARCHIVE_FORMATS } from './archive-format.js';
import { receiveUpload } from './receive-upload.js';

const uploadView = z
  .object({
    id: z.string(),
    location: z.string().meta({ description: 'For `source.location` of an ARCHIVE source.' }),
    format: z.enum(ARCHIVE_FORMATS),
    sizeBytes: z.int(),
    sha256: z.string(),
  })
  .meta({ id: 'Upload' });

@ApiTags('Uploads')
@Controller('v1/uploads')
export class UploadsController {
  constructor(
    private readonly blobs: Blobs,
    private readonly uploads: UploadsStore,
    @Inject(SETTINGS) private readonly settings: ApiSettings,
  ) {}

  @Post()
  @ApiConsumes(...ARCHIVE_TYPES)
  @ApiBody({ schema: { type: 'string', format: 'binary' }, required: true })
  @Describe({
    summary: 'Upload a source archive',
    description:
      'A zip or a gzipped tar as the body. Its `location` goes into a source of type ARCHIVE. The limit is KILNYARD_MAX_UPLOAD_BYTES.\n\n    curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/gzip" --data-binary @source.tar.gz $URL/v1/uploads',
    status: 201,
    answer: uploadView,
    example: {
      id: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
      location: 'upload:7c9e6679-7425-40de-944b-e07fc1f90ae7',
      format: 'tar.gz',
      sizeBytes: 10240,
      sha256: 'ab'.repeat(32),
    },
    errors: ['INVALID_INPUT', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'STORAGE_FULL', 'STORAGE_UNAVAILABLE'],
  })
  async upload(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.infer<typeof uploadView>> {
    const { body } = request;
    if (!(body instanceof Readable))
      throw new HttpRefusal('UNSUPPORTED_MEDIA_TYPE', `expected a body of ${ARCHIVE_TYPES.join(', ')}`);
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort(new Error('the sender has gone')));
    // Until the archive is taken: a refused one is not read to its end, so nothing else can follow on this connection.
    void reply.header('connection', 'close');
    const declared = request.headers['content-length'];
    const received = await receiveUpload(
      { blobs: this.blobs, uploads: this.uploads },
      {
        body,
        maxBytes: this.settings.http.maxUploadBytes,
        declaredBytes: declared === undefined ? null : Number(declared),
        signal: gone.signal,
      },
    );
    void reply.removeHeader('connection');
    return { ...received, location: `upload:${received.id}` };
  }
}
