-- Sealed logs that were moved from log_chunk into the blob store (docs/decisions/0024).

-- AlterTable
ALTER TABLE "build" ADD COLUMN "log_archived" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "log_archive" (
    "build_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "location" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "index_bytes" INTEGER NOT NULL,
    "archived_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "log_archive_pkey" PRIMARY KEY ("build_id","attempt")
);

-- AddForeignKey
ALTER TABLE "log_archive" ADD CONSTRAINT "log_archive_build_id_fkey" FOREIGN KEY ("build_id") REFERENCES "build"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Written by hand: what schema.prisma cannot say.

-- Builds whose log was archived, by age: what retention looks through when their partitions are gone.
CREATE INDEX "build_log_archived" ON "build" ("project_name", "queued_at") WHERE "log_archived";
