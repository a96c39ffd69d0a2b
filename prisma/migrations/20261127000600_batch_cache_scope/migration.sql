-- Builds of a batch write caches as the batch may (docs/decisions/0031).

-- AlterTable
ALTER TABLE "build_batch" ADD COLUMN "cache_scope" TEXT;
