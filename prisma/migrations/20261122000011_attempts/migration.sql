-- Attempts that were followed by another one keep how they ended and the seal of their log; the present attempt stands in `build`.
CREATE TABLE "build_attempt" (
    "build_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "worker_id" TEXT,
    "host" TEXT,
    "status" TEXT NOT NULL,
    "cause" TEXT NOT NULL,
    "context" JSONB,
    "exit_code" INTEGER,
    "retried_as" TEXT NOT NULL,
    "image_digest" TEXT,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3) NOT NULL,
    "log_line_count" BIGINT,
    "log_byte_count" BIGINT,
    "log_sha256" TEXT,
    "log_cut" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "build_attempt_pkey" PRIMARY KEY ("build_id", "attempt")
);

ALTER TABLE "build_attempt" ADD CONSTRAINT "build_attempt_build_id_fkey" FOREIGN KEY ("build_id") REFERENCES "build"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Attempts whose worker was lost, and with it the seal: the sweep seals their logs.
CREATE INDEX "build_attempt_unsealed" ON "build_attempt" ("ended_at") WHERE "log_sha256" IS NULL;

ALTER TABLE "build" ADD COLUMN "failure" JSONB;
ALTER TABLE "build" ADD COLUMN "handed_over" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "build" ADD COLUMN "requeued_at" TIMESTAMPTZ(3);

-- Builds that run while this is applied may have user code running already.
UPDATE "build" SET "handed_over" = true WHERE "status" = 'IN_PROGRESS' AND "current_phase" NOT IN ('SUBMITTED', 'QUEUED', 'PROVISIONING');
