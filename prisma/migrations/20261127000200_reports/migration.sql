-- Test and coverage reports (docs/decisions/0028).

-- AlterTable
ALTER TABLE "build" ADD COLUMN "report_ids" UUID[] DEFAULT ARRAY[]::UUID[];

-- CreateTable
CREATE TABLE "report_group" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "project_name" TEXT NOT NULL,
    "expiry_days" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "report_group_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "report" (
    "id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "build_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "format" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "message" TEXT NOT NULL DEFAULT '',
    "commit" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "truncated" BOOLEAN NOT NULL DEFAULT false,
    "tests" JSONB,
    "coverage" JSONB,

    CONSTRAINT "report_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "report_test_case" (
    "report_id" UUID NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "suite" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "duration_ns" BIGINT NOT NULL,
    "message" TEXT NOT NULL,
    "file" TEXT NOT NULL,

    CONSTRAINT "report_test_case_pkey" PRIMARY KEY ("report_id","ordinal")
);

-- CreateTable
CREATE TABLE "report_coverage" (
    "report_id" UUID NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "path" TEXT NOT NULL,
    "lines_covered" INTEGER NOT NULL,
    "lines_missed" INTEGER NOT NULL,
    "branches_covered" INTEGER NOT NULL,
    "branches_missed" INTEGER NOT NULL,

    CONSTRAINT "report_coverage_pkey" PRIMARY KEY ("report_id","ordinal")
);

-- CreateIndex
CREATE UNIQUE INDEX "report_group_name_key" ON "report_group"("name");

-- CreateIndex
CREATE INDEX "report_group_project_name_name_idx" ON "report_group"("project_name", "name");

-- CreateIndex
CREATE UNIQUE INDEX "report_build_id_attempt_group_id_key" ON "report"("build_id", "attempt", "group_id");

-- CreateIndex
CREATE INDEX "report_group_id_created_at_id_idx" ON "report"("group_id", "created_at" DESC, "id");

-- CreateIndex
CREATE INDEX "report_expires_at_idx" ON "report"("expires_at");

-- AddForeignKey
ALTER TABLE "report" ADD CONSTRAINT "report_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "report_group"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "report" ADD CONSTRAINT "report_build_id_fkey" FOREIGN KEY ("build_id") REFERENCES "build"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "report_test_case" ADD CONSTRAINT "report_test_case_report_id_fkey" FOREIGN KEY ("report_id") REFERENCES "report"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "report_coverage" ADD CONSTRAINT "report_coverage_report_id_fkey" FOREIGN KEY ("report_id") REFERENCES "report"("id") ON DELETE CASCADE ON UPDATE CASCADE;
