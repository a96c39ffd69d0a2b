-- How a chunk's body is packed (libs/store/src/chunk-body.ts, docs/decisions/0021): 0 as it is, 1 deflated, 2 snappy. All that is stored
-- so far is deflated. A constant default is kept beside the table: no row is written again.
ALTER TABLE "log_chunk" ADD COLUMN "body_codec" SMALLINT NOT NULL DEFAULT 1;
