-- What a worker needs to go on with another's build: where the container's output goes on behind a chunk, and on which Docker host
-- the build and the workers are.
ALTER TABLE "log_chunk" ADD COLUMN "source" JSONB;
ALTER TABLE "build" ADD COLUMN "host" TEXT;
ALTER TABLE "worker" ADD COLUMN "host" TEXT NOT NULL DEFAULT '';
