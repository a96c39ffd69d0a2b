-- Cache entries by space (a project, or a namespace that several share) and by trust (docs/decisions/0031).

-- AlterTable
ALTER TABLE "build" ADD COLUMN "cache_scope" TEXT;

-- AlterTable
ALTER TABLE "project" ADD COLUMN "cache_purged_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "cache_entry"
  ADD COLUMN "space" TEXT,
  ADD COLUMN "scope" TEXT NOT NULL DEFAULT '',
  ADD COLUMN "source_folder" TEXT,
  ADD COLUMN "hits" INTEGER NOT NULL DEFAULT 0;
UPDATE "cache_entry" SET "space" = "project_id"::text;
ALTER TABLE "cache_entry" ALTER COLUMN "space" SET NOT NULL;

-- DropIndex
DROP INDEX "cache_entry_project_id_key_version_key";

-- CreateIndex
CREATE UNIQUE INDEX "cache_entry_space_scope_key_version_key" ON "cache_entry"("space", "scope", "key", "version");

-- CreateIndex
CREATE INDEX "cache_entry_project_id_created_at_id_idx" ON "cache_entry"("project_id", "created_at", "id");
