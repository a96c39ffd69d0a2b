-- What a build asks of its worker, in one text (requiresOf in libs/core/src/fleet.ts), and what workers carry.
ALTER TABLE "build" ADD COLUMN "requires" TEXT NOT NULL DEFAULT '';
ALTER TABLE "worker" ADD COLUMN "fleet" TEXT NOT NULL DEFAULT '';
ALTER TABLE "worker" ADD COLUMN "labels" TEXT[] NOT NULL DEFAULT '{}';

-- The pick hops from one set of asked words to the next, and within those that fit from project to project. As before, the
-- collation makes this the only index that can serve it.
CREATE INDEX "build_waiting_needs" ON "build"
    ("requires" COLLATE "C", "project_name" COLLATE "C", "priority" DESC, "queued_at", "id")
    WHERE "status" = 'IN_PROGRESS' AND "current_phase" = 'QUEUED' AND "stop_requested_at" IS NULL;
DROP INDEX "build_waiting";
