-- Written by hand: what schema.prisma cannot say (docs/decisions/0006).

-- A build's output. One partition for each UTC day on which builds were queued (build.log_day), so that retention drops a
-- partition. LogsStore.ensurePartitions makes them ahead; the default one is a net that should stay empty.
-- header: encodeChunkHeader of libs/core/src/chunk-codec.ts. body: the raw text, deflated (raw, level 1), hence EXTERNAL:
-- compressing it again would cost time and gain nothing.
CREATE TABLE "log_chunk" (
    "build_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "day" DATE NOT NULL,
    "first_seq" BIGINT NOT NULL,
    "line_count" INTEGER NOT NULL,
    "first_byte" BIGINT NOT NULL,
    "byte_count" INTEGER NOT NULL,
    "stored_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "header" BYTEA NOT NULL,
    "body" BYTEA NOT NULL,

    CONSTRAINT "log_chunk_pkey" PRIMARY KEY ("build_id", "attempt", "first_seq", "day")
) PARTITION BY RANGE ("day");

ALTER TABLE "log_chunk" ALTER COLUMN "body" SET STORAGE EXTERNAL;

-- For byte ranges of the raw log.
CREATE INDEX "log_chunk_bytes" ON "log_chunk" ("build_id", "attempt", "first_byte");

CREATE TABLE "log_chunk_default" PARTITION OF "log_chunk" DEFAULT;

-- The queue's pick (libs/store/src/pick.ts): the waiting builds of each project in the order in which they start. The collation
-- makes it the only index that can serve the pick's conditions, so the planner has no other to choose when its statistics are old.
CREATE INDEX "build_waiting" ON "build" ("project_name" COLLATE "C", "priority" DESC, "queued_at", "id")
    WHERE "status" = 'IN_PROGRESS' AND "current_phase" = 'QUEUED' AND "stop_requested_at" IS NULL;

-- Waiting builds by age: the sweep's list, the queue timeout. The last condition, always true, keeps the pick away from them.
CREATE INDEX "build_waiting_age" ON "build" ("queued_at", "id")
    WHERE "status" = 'IN_PROGRESS' AND "current_phase" = 'QUEUED' AND "queued_at" > '-infinity';
CREATE INDEX "build_queue_deadline" ON "build" ("queue_deadline")
    WHERE "status" = 'IN_PROGRESS' AND "current_phase" = 'QUEUED' AND "queue_deadline" > '-infinity';

-- Running builds: counted by project for fairness and limits, and looked over for leases that ran out.
CREATE INDEX "build_running" ON "build" ("project_name", "lease_until")
    WHERE "status" = 'IN_PROGRESS' AND "current_phase" <> 'QUEUED';

-- Ended builds whose log nobody has sealed: the sweep does it.
CREATE INDEX "build_unsealed" ON "build" ("ended_at")
    WHERE "status" <> 'IN_PROGRESS' AND "log_sha256" IS NULL;
