-- Batches of builds (docs/decisions/0029).

-- AlterTable
ALTER TABLE "project" ADD COLUMN "last_batch_number" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "build" ADD COLUMN "batch_id" UUID, ADD COLUMN "batch_identifier" TEXT;

-- CreateTable
CREATE TABLE "build_batch" (
    "id" UUID NOT NULL,
    "project_id" UUID,
    "project_name" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "status" TEXT NOT NULL,
    "current_phase" TEXT NOT NULL,
    "phases" JSONB NOT NULL,
    "initiator" TEXT NOT NULL,
    "source_version" TEXT,
    "resolved_source_version" TEXT,
    "settings" JSONB NOT NULL,
    "overrides" JSONB NOT NULL,
    "config" JSONB NOT NULL,
    "plan" JSONB,
    "ending" TEXT,
    "submitted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deadline" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "build_batch_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "build_batch_task" (
    "batch_id" UUID NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "identifier" TEXT NOT NULL,
    "depends_on" TEXT[],
    "waits_for" INTEGER NOT NULL,
    "ignore_failure" BOOLEAN NOT NULL,
    "overrides" JSONB NOT NULL,
    "status" TEXT NOT NULL,
    "build_id" UUID,
    "requested_on" TIMESTAMPTZ(3),
    "prior" JSONB NOT NULL DEFAULT '[]',

    CONSTRAINT "build_batch_task_pkey" PRIMARY KEY ("batch_id","ordinal")
);

-- CreateTable
CREATE TABLE "build_batch_event" (
    "id" BIGSERIAL NOT NULL,
    "batch_id" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "data" JSONB NOT NULL DEFAULT '{}',
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "build_batch_event_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "build_batch_project_id_number_key" ON "build_batch"("project_id", "number");
CREATE INDEX "build_batch_submitted_at_id_idx" ON "build_batch"("submitted_at" DESC, "id");
CREATE INDEX "build_batch_project_name_submitted_at_id_idx" ON "build_batch"("project_name", "submitted_at" DESC, "id");
CREATE UNIQUE INDEX "build_batch_task_batch_id_identifier_key" ON "build_batch_task"("batch_id", "identifier");
CREATE INDEX "build_batch_event_batch_id_id_idx" ON "build_batch_event"("batch_id", "id");

-- AddForeignKey
ALTER TABLE "build" ADD CONSTRAINT "build_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "build_batch"("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "build_batch" ADD CONSTRAINT "build_batch_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "build_batch_task" ADD CONSTRAINT "build_batch_task_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "build_batch"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "build_batch_event" ADD CONSTRAINT "build_batch_event_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "build_batch"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Written by hand: what schema.prisma cannot say.

-- Builds of a batch; most builds are of none.
CREATE INDEX "build_batch_id" ON "build" ("batch_id") WHERE "batch_id" IS NOT NULL;
-- Batches that go on, for their timeouts and for those that are being ended.
CREATE INDEX "build_batch_open" ON "build_batch" ("deadline") WHERE "status" = 'IN_PROGRESS';
-- Tasks at work, for the upkeep's look whether their builds have ended.
CREATE INDEX "build_batch_task_running" ON "build_batch_task" ("build_id") WHERE "status" = 'IN_PROGRESS';
