-- Lists by status, and by project and status, however rare it is; and how much waits and runs, without a look at all builds.
CREATE INDEX "build_status_queued_at_id_idx" ON "build" ("status", "queued_at" DESC, "id");
CREATE INDEX "build_project_name_status_queued_at_id_idx" ON "build" ("project_name", "status", "queued_at" DESC, "id");

-- Written by hand: what schema.prisma cannot say.

-- Running builds, as before, but without their leases: a lease that is prolonged then changes no index (a HOT update), and there are
-- never so many running builds that the sweep could not look at each.
DROP INDEX "build_running";
CREATE INDEX "build_running" ON "build" ("project_name")
    WHERE "status" = 'IN_PROGRESS' AND "current_phase" <> 'QUEUED';
