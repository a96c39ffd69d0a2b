-- Retention and cleanup (docs/decisions/0017).

-- AlterTable
ALTER TABLE "build" ADD COLUMN "log_expired_at" TIMESTAMPTZ(3);
ALTER TABLE "build" ADD COLUMN "artifacts_kept" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "build_artifact" ADD COLUMN "expired_at" TIMESTAMPTZ(3);
ALTER TABLE "source_upload" ADD COLUMN "last_used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
UPDATE "build" SET "artifacts_kept" = true WHERE "id" IN (SELECT "build_id" FROM "build_artifact");
UPDATE "source_upload" SET "last_used_at" = "created_at";

-- CreateTable
CREATE TABLE "doomed_blob" (
    "location" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "orphan" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "doomed_blob_pkey" PRIMARY KEY ("location")
);

-- CreateTable
CREATE TABLE "storage_use" (
    "part" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "items" BIGINT NOT NULL,
    "used_bytes" BIGINT NOT NULL,
    "budget_bytes" BIGINT,
    "measured_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "storage_use_pkey" PRIMARY KEY ("part","host")
);

-- CreateIndex
CREATE INDEX "doomed_blob_due_at_idx" ON "doomed_blob"("due_at");

-- Written by hand: what schema.prisma cannot say.

-- The newest success of a project, which retention keeps.
CREATE INDEX "build_last_success" ON "build" ("project_name", "queued_at" DESC) WHERE "status" = 'SUCCEEDED';
-- Builds whose artifacts are still there, by age: few beside all builds.
CREATE INDEX "build_artifacts_kept" ON "build" ("project_name", "queued_at") WHERE "artifacts_kept";

-- The default partition goes: while there is one, no partition can be detached without locking out every reader and writer. What lies
-- in it gets partitions of its own. An append that finds no partition makes it (libs/store/src/log-append.ts).
DO $$
DECLARE
  found RECORD;
BEGIN
  FOR found IN SELECT DISTINCT "day" FROM "log_chunk_default" LOOP
    EXECUTE format('CREATE TABLE %I (LIKE "log_chunk" INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING INDEXES)',
      'log_chunk_' || to_char(found."day", 'YYYYMMDD'));
    EXECUTE format('WITH moved AS (DELETE FROM "log_chunk_default" WHERE "day" = %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
      found."day", 'log_chunk_' || to_char(found."day", 'YYYYMMDD'));
    EXECUTE format('ALTER TABLE "log_chunk" ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      'log_chunk_' || to_char(found."day", 'YYYYMMDD'), found."day", found."day" + 1);
  END LOOP;
  DROP TABLE "log_chunk_default";
END $$;
